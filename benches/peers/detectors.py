"""The peers: each gives one score an event, larger for more anomalous."""

from collections import Counter, defaultdict

import numpy as np
import rrcf
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from river import anomaly, preprocessing

HOUR, DAY = 3_600, 86_400


def half_space_trees(traffic, hours, row):
    """River's HalfSpaceTrees over identity-hours, scaled online, learned as they come."""
    model = trees()
    scores = np.zeros(len(hours))
    for at, features in enumerate(hours):
        point = dict(enumerate(features))
        scores[at] = model.score_one(point)
        model.learn_one(point)
    return scores[row]


def robust_random_cut_forest(traffic, days, row):
    """rrcf over identity-days: collusive displacement in 30 trees of the latest 256 points."""
    rng = np.random.RandomState(1)
    forest = [rrcf.RCTree(random_state=rng.randint(2**31)) for _ in range(30)]
    scale = days.std(axis=0) + 1e-9
    scores = np.zeros(len(days))
    for at, point in enumerate(days / scale):
        point = point + rng.normal(0, 1e-6, len(point))
        for tree in forest:
            if len(tree.leaves) >= 256:
                tree.forget_point(at - 256)
            tree.insert_point(point, index=at)
            scores[at] += tree.codisp(at)
    return scores[row]


def ecod(traffic, hours, row):
    """PyOD's ECOD over identity-hours, fitted on all of them at once."""
    return ECOD().fit(hours).decision_scores_[row]


def isolation_forest(traffic, hours, row):
    """PyOD's isolation forest over identity-hours, fitted on all of them at once."""
    return IForest(n_estimators=200, random_state=1).fit(hours).decision_scores_[row]


def first_seen_rules(traffic, *_):
    """Rules as a SIEM ships them, as risk points: first uses by an identity that is two weeks old,
    bursts of failures, success after them, and a sum over the identity's last hour."""
    points = np.array([2.0, 2.0, 5.0, 2.0, 1.0, 0.5])
    begun, failures, risk = {}, defaultdict(list), defaultdict(list)
    scores = np.zeros(len(traffic.identity))
    for at, (who, now) in enumerate(zip(traffic.identity, traffic.seconds)):
        begun.setdefault(who, now)
        score = 0.0
        if now - begun[who] > 14 * DAY:
            score = float(points @ traffic.first_uses[at])
        recent = [then for then in failures[who] if now - then < 600]
        if traffic.failed[at]:
            recent.append(now)
            score += 5.0 * (len(recent) == 10)
        elif len(recent) >= 5:
            score += 5.0
        failures[who] = recent
        kept = [(then, s) for then, s in risk[who] if now - then < HOUR]
        if score:
            kept.append((now, score))
        risk[who] = kept
        scores[at] = sum(s for _, s in kept) if score else 0.0
    return scores


def rarity(traffic, *_):
    """The largest −ln frequency of the event's values, each the identity's own frequency so far
    mixed with everyone's."""
    own, all_of_them = defaultdict(Counter), defaultdict(Counter)
    totals = Counter()
    scores = np.zeros(len(traffic.identity))
    for at, (who, values) in enumerate(zip(traffic.identity, traffic.values)):
        worst = 0.0
        for category, value in enumerate(values):
            everyone = all_of_them[category]
            globally = (everyone[value] + 1) / (totals[category] + len(everyone) + 1)
            mine = own[who, category]
            n = totals[who, category]
            worst = max(worst, -np.log((mine[value] + 10 * globally) / (n + 10)))
            mine[value] += 1
            everyone[value] += 1
            totals[category] += 1
            totals[who, category] += 1
        scores[at] = worst if totals[who, 0] > 50 else 0.0
    return scores


def first_and_uncommon(traffic, *_):
    """The matrix of a SIEM's UEBA: for each value, whether it is the first for the identity, and whether it is
    the first or uncommon (under 5 %) for the identity, in its group, and in the organisation. The score is the
    number of those that hold, of an identity and a group that are two weeks old."""
    begun, counts, totals = {}, Counter(), Counter()
    scores = np.zeros(len(traffic.identity))
    rows = zip(traffic.identity, traffic.group, traffic.seconds, traffic.values)
    for at, (who, group, now, values) in enumerate(rows):
        scopes = (("identity", who), ("group", group), ("organisation", 0))
        score = 0
        for scope in scopes:
            is_learned = now - begun.setdefault(scope, now) > 14 * DAY
            for category, value in enumerate(values):
                if value is None:
                    continue
                uses, all_uses = counts[scope, category, value], totals[scope, category]
                if is_learned:
                    score += (uses == 0) + (uses < 0.05 * all_uses)
                counts[scope, category, value] += 1
                totals[scope, category] += 1
        scores[at] = score if now - begun[scopes[0]] > 14 * DAY else 0.0
    return scores


def on_readings(model):
    """A model of River over the surprise of each of credwatch's signals, event by event."""

    def score(traffic, *_):
        learner = model()
        scores = np.zeros(len(traffic.readings))
        names = sorted({name for readings in traffic.readings for name in readings})
        for at, readings in enumerate(traffic.readings):
            point = {name: readings.get(name, 0.0) for name in names}
            scores[at] = learner.score_one(point)
            learner.learn_one(point)
        return scores

    return score


def trees():
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(
        n_trees=25, height=10, window_size=500, seed=1
    )


def one_class_svm():
    return preprocessing.StandardScaler() | anomaly.OneClassSVM(nu=0.01)


PEERS = [
    ("River HalfSpaceTrees", half_space_trees, HOUR),
    ("rrcf", robust_random_cut_forest, DAY),
    ("PyOD ECOD", ecod, HOUR),
    ("PyOD isolation forest", isolation_forest, HOUR),
    ("first-seen rules", first_seen_rules, None),
    ("frequency rarity", rarity, None),
    ("first and uncommon, as a SIEM's UEBA", first_and_uncommon, None),
    ("River HalfSpaceTrees on credwatch's readings", on_readings(trees), None),
    ("River OneClassSVM on credwatch's readings", on_readings(one_class_svm), None),
]
