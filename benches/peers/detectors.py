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
    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(
        n_trees=25, height=10, window_size=500, seed=1
    )
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


PEERS = [
    ("River HalfSpaceTrees", half_space_trees, HOUR),
    ("rrcf", robust_random_cut_forest, DAY),
    ("PyOD ECOD", ecod, HOUR),
    ("PyOD isolation forest", isolation_forest, HOUR),
    ("first-seen rules", first_seen_rules, None),
    ("frequency rarity", rarity, None),
]
