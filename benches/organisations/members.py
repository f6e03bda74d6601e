"""Identities at work: people in offices and at home, services, pollers, jobs, workloads that are redeployed."""

import itertools
from dataclasses import dataclass, field

from traits import AGENTS, BROWSERS, DAY, TOOLS, Network, network


@dataclass
class Device:
    host: str | None
    agent: str
    serial: int = 0
    tag: int = field(default_factory=itertools.count().__next__)


@dataclass
class Member:
    """One identity, and how it works."""

    id: str
    kind: str
    work: str
    group: str | None
    actions: list
    office: object = None
    home: Network = None
    carrier: int = 0
    devices: list = field(default_factory=list)
    start_hour: float = 9.0
    rate: float = 10.0
    phase: float = 0.0
    interval: float = 3600.0
    uses_vpn: bool = False
    remote: float = 0.3
    has_phone: bool = False
    on_call: bool = False
    month_end: bool = False
    joined: int = 0
    last_day: int = 10_000
    trip: Network = None
    trip_until: int = -1
    away: set = field(default_factory=set)
    keys: dict = field(default_factory=dict)
    sites: list = field(default_factory=list)
    serial: int = 0


def person(traits, number, groups, office=None):
    rng = traits.rng
    office = office or traits.office()
    name = f"{rng.choice('abcdefghijklmnopqrst')}.{rng.choice(['berg', 'rossi', 'khan', 'silva', 'novak', 'tan', 'otto'])}{number}@corp"
    group = rng.choice(sorted(groups))
    member = Member(name, "human", "person", group if rng.random() < 0.9 else None,
                    groups[group] + [traits.action() for _ in range(rng.randrange(0, 4))], office)
    member.home = network(rng, office.country, office.network.position, rng.choice(office.providers))
    member.carrier = rng.choice(office.carriers)
    member.devices = [Device(traits.host(name) if traits.states_hosts_of_people else None, traits.agent(BROWSERS))]
    if rng.random() < 0.3:
        member.devices.append(Device(member.devices[0].host, traits.agent(TOOLS)))
    member.has_phone = rng.random() < traits.phone_share
    member.start_hour = rng.gauss(8.7, 0.8)
    member.rate = max(4.0, rng.gauss(traits.person_events, 0.4 * traits.person_events))
    member.uses_vpn = rng.random() < traits.vpn_share
    member.remote = min(0.95, max(0.0, rng.gauss(traits.remote_share, 0.2)))
    member.on_call = rng.random() < traits.on_call_share
    member.month_end = rng.random() < traits.month_end_share
    member.phase = rng.uniform(0, DAY)
    return member


def machine(traits, number, groups):
    rng = traits.rng
    work = rng.choices(["service", "poller", "nightly", "workload", "pipeline", "monthly"], [4, 2, 2, 3, 2, 1])[0]
    kind = {"service": "service", "poller": "service", "workload": "workload"}.get(work, "automation")
    group = rng.choice(sorted(groups))
    name = f"{rng.choice(['svc', 'app', 'bot', 'job'])}-{rng.choice(['ledger', 'mail', 'etl', 'scan', 'sync', 'web', 'auth'])}-{number}"
    member = Member(name, kind, work, group, [traits.action() for _ in range(rng.randrange(1, 6))], traits.office())
    member.rate = traits.machine_events * rng.lognormvariate(0, 0.8)
    member.interval = 60.0 * rng.uniform(61, 66) if work == "poller" else 0.0
    member.phase = rng.uniform(0, DAY)
    member.start_hour = rng.uniform(0, 6)
    agent = traits.agent(AGENTS)
    cloud = network(rng, member.office.country, member.office.network.position, 16509)
    count = {"service": rng.randrange(1, 4), "workload": rng.randrange(2, 6)}.get(work, 1)
    member.sites = [(Device(f"{name}-{at}", agent), cloud) for at in range(count)]
    if work == "pipeline":
        member.sites = [(Device(f"runner-{at}", agent), cloud) for at in range(8)]
    return member


def everyone(traits, size):
    rng = traits.rng
    people = int(size * rng.uniform(0.45, 0.75))
    groups = {f"team-{at}": [traits.action() for _ in range(rng.randrange(4, 9))] for at in range(max(2, size // 25))}
    members = [person(traits, at, groups) for at in range(people)]
    members += [machine(traits, at, groups) for at in range(size - people)]
    for member in members:
        member.last_day = rng.randrange(4, 10) if rng.random() < 0.04 else 10_000
    return members, groups
