"""Attacks, from crude to one who knows the detector: `skill` is how much of the victim's habits is imitated."""

from members import Device
from traits import BROWSERS, CLOUD_ASNS, DAY, FOREIGN, TOOLS, network

HOUR = 3600


class Attacker:
    """One attack on an organisation."""

    def __init__(self, organisation, skill, name):
        self.o, self.rng, self.name = organisation, organisation.rng, name
        self.skill = skill
        self.device = Device(None if self.rng.random() < 0.3 else self.host(), self.agent(None))
        self.server = network(self.rng, *self.country(None), self.rng.choice(CLOUD_ASNS))

    def imitates(self):
        return self.rng.random() < self.skill

    def host(self):
        rng, letters = self.rng, "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
        if self.imitates():
            return self.o.traits.host("someone")
        return rng.choice(["kali", "DESKTOP-" + "".join(rng.choice(letters) for _ in range(7)), "ubuntu", "vps-1"])

    def agent(self, victim):
        if victim and self.imitates():
            return victim.agent
        return self.o.traits.agent(BROWSERS if self.rng.random() < 0.6 else TOOLS)

    def country(self, victim):
        if victim and self.imitates():
            return victim.office.country, victim.office.network.position
        name = self.rng.choice(sorted(FOREIGN))
        return name, FOREIGN[name]

    def place(self, victim):
        """Where the attacker comes from: a server, or an access network of the victim's country."""
        asn = self.rng.choice(victim.office.providers) if self.imitates() else self.rng.choice(CLOUD_ASNS)
        return network(self.rng, *self.country(victim), asn)

    def hour(self, victim, midnight):
        if self.imitates() and victim.kind == "human":
            return midnight + (victim.start_hour - victim.office.offset_hours + self.rng.uniform(0, 8)) * HOUR
        return midnight + self.rng.uniform(1, 22) * HOUR

    def victim(self, *works):
        return self.rng.choice([m for m in self.o.members if m.work in works and m.last_day > 1_000 and m.keys]
                               or [m for m in self.o.members if m.sites] or self.o.members)

    def within(self, credential, time):
        """A time at which the credential is valid, `time` where it is."""
        issued, expires = credential.get("issued_at"), credential.get("expires_at")
        if issued is None or issued / 1000 <= time and (expires is None or time < expires / 1000):
            return time
        until = expires or issued + 3_600_000 * 20
        return (issued + self.rng.uniform(0.02, 0.8) * (until - issued)) / 1000

    def uses(self, victim, place, device, time, credential, count, new_actions=0.5, gap=90):
        time = self.within(credential, time)
        for _ in range(count):
            known = self.rng.random() >= new_actions * (1 - 0.6 * self.skill)
            action = self.rng.choice(victim.actions) if known else self.o.traits.action()
            self.o.emit(victim, time, place, device, action=action, credential=credential, campaign=self.name,
                        resource=f"{action.split(':')[0]}/{victim.group}/{self.rng.randrange(40)}")
            time += self.rng.expovariate(1 / gap)
        return time


def latest(victim):
    return next(reversed(victim.keys.values()))["credential"]


def session(a, name, victim, time):
    """A session that the attacker has issued to himself."""
    return {"id": f"{name}/{victim.id}/{int(time)}", "kind": "session", "issuer": a.o.traits.issuers["session"],
            "issued_at": int(time * 1000), "expires_at": int((time + a.o.traits.session_hours * HOUR) * 1000)}


def stolen_session(a, midnight):
    victim = a.victim("person")
    device = Device(a.device.host, a.agent(victim.devices[0]))
    a.uses(victim, a.place(victim), device, a.hour(victim, midnight), latest(victim), a.rng.randrange(3, 15))


def stolen_key(a, midnight):
    victim = a.victim("service", "poller", "nightly")
    device = Device(a.device.host, a.agent(victim.sites[0][0]))
    a.uses(victim, a.server, device, a.hour(victim, midnight), a.o.key(victim, midnight), a.rng.randrange(3, 20))


def stolen_token(a, midnight):
    victim = a.victim("workload", "pipeline")
    device = Device(a.device.host, a.agent(victim.sites[0][0]))
    time = a.hour(victim, midnight)
    a.uses(victim, a.place(victim), device, time, a.o.key(victim, time), a.rng.randrange(3, 12), gap=40)


def guessed_password(a, midnight):
    victim = a.victim("person")
    place, time = a.place(victim), a.hour(victim, midnight)
    for _ in range(a.rng.randrange(8, 40)):
        a.o.emit(victim, time, place, a.device, "authenticate", "sso:Login", "failure", a.o.password(victim), a.name)
        time += a.rng.expovariate(1 / 20)
    a.o.emit(victim, time, place, a.device, "authenticate", "sso:Login", credential=a.o.password(victim), campaign=a.name)
    a.uses(victim, place, a.device, time + 20, session(a, "x", victim, time), a.rng.randrange(2, 8))


def spray(a, midnight):
    time, place = midnight + a.rng.uniform(0, 20) * HOUR, a.server
    people = [m for m in a.o.members if m.work == "person"]
    for at, victim in enumerate(a.rng.sample(people, min(len(people), a.rng.randrange(25, 60)))):
        outcome = "success" if at % 25 == 20 else "failure"
        a.o.emit(victim, time, place, a.device, "authenticate", "sso:Login", outcome, a.o.password(victim), a.name)
        time += a.rng.expovariate(1 / 30)


def dormant(a, midnight):
    sleepers = [m for m in a.o.members if m.last_day < 1_000 and m.keys]
    if not sleepers:
        return stolen_session(a, midnight)
    victim = a.rng.choice(sleepers)
    device = Device(a.device.host, a.agent((victim.devices or [victim.sites[0][0]])[0] if victim.devices or victim.sites else None))
    credential = a.o.password(victim) if victim.work == "person" else a.o.key(victim, midnight)
    a.uses(victim, a.place(victim), device, a.hour(victim, midnight), credential, a.rng.randrange(3, 10))


def forged_token(a, midnight):
    victim = a.victim("workload", "pipeline", "person")
    time = a.hour(victim, midnight)
    issuer = a.o.traits.issuers["access_token"] if a.imitates() else "https://sts.forged"
    life = a.rng.choice([3, 10, 24 * 30]) * HOUR * (2 if a.imitates() else 10)
    token = {"id": f"f/{int(time)}", "kind": "access_token", "issuer": issuer, "issued_at": int(time * 1000),
             "expires_at": int((time + life) * 1000)}
    device = Device(a.device.host, a.agent(None))
    a.uses(victim, a.place(victim), device, time, token, a.rng.randrange(2, 8))


def own_privileges(a, midnight):
    victim = a.victim("person", "service")
    device, place = own_place(a, victim)
    credential = latest(victim)
    time = a.within(credential, a.hour(victim, midnight))
    for action in a.rng.sample(["iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:PutUserPolicy", "iam:UpdateAssumeRolePolicy",
                                "kms:PutKeyPolicy", "cloudtrail:StopLogging"], 3):
        a.o.emit(victim, time, place, device, "grant" if "Policy" in action else "issue", action, credential=credential,
                 campaign=a.name)
        time += a.rng.expovariate(1 / 200)


def own_place(a, victim):
    if victim.work == "person":
        return victim.devices[0], victim.home if victim.home else victim.office.network
    return victim.sites[0]


def bulk_read(a, midnight):
    victim = a.victim("person")
    device, place = own_place(a, victim)
    credential = latest(victim)
    time = a.within(credential, a.hour(victim, midnight))
    for at in range(int(victim.rate * a.rng.uniform(4, 15))):
        action = a.rng.choice(victim.actions)
        a.o.emit(victim, time, place, device, action=action, credential=credential, campaign=a.name,
                 resource=f"{action.split(':')[0]}/bulk{at % 90}/{at}")
        time += a.rng.expovariate(1 / 6)


def odd_hours(a, midnight):
    victim = a.victim("person")
    device, place = own_place(a, victim)
    local = midnight - victim.office.offset_hours * HOUR
    a.uses(victim, place, device, local + a.rng.uniform(1.5, 4.5) * HOUR, latest(victim), a.rng.randrange(5, 20), 0.4)


def old_key(a, midnight):
    victim = a.victim("service", "poller", "nightly", "monthly")
    old = dict(a.o.key(victim, midnight))
    a.o.rotate(victim, midnight + 23.9 * HOUR)
    device = Device(a.device.host, a.agent(victim.sites[0][0]))
    a.uses(victim, a.server, device, midnight + a.rng.uniform(30, 44) * HOUR, old, a.rng.randrange(2, 8), 0.3)


def stolen_refresh(a, midnight):
    victim = a.victim("person")
    place, time = a.place(victim), a.hour(victim, midnight)
    device = Device(a.device.host, a.agent(victim.devices[0]))
    refresh = {"id": f"r/{victim.id}/{victim.devices[0].tag}", "kind": "refresh_token",
               "issuer": a.o.traits.issuers["session"]}
    for turn in range(a.rng.randrange(1, 4)):
        a.o.emit(victim, time, place, device, "refresh", "oauth:Token", credential=refresh, campaign=a.name)
        time = a.uses(victim, place, device, time + 30, session(a, "y", victim, time), a.rng.randrange(1, 6))
        time += 1_800


def slow(a, midnight):
    """Waits, and does little each day."""
    victim = a.victim("person")
    place, device = a.place(victim), Device(a.device.host, a.agent(victim.devices[0]))
    for day in range(a.rng.randrange(3, 6)):
        time = a.hour(victim, midnight + day * DAY)
        a.uses(victim, place, device, time, session(a, "s", victim, time - HOUR), a.rng.randrange(1, 3), 0.3)


ATTACKS = [stolen_session, stolen_key, stolen_token, guessed_password, spray, dormant, forged_token, own_privileges,
           bulk_read, odd_hours, old_key, stolen_refresh, slow, stolen_session]
