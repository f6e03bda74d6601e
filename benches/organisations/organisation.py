"""The days of an organisation: ordinary work, and the changes that every organisation goes through."""

from members import Device, everyone, person
from traits import BROWSERS, DAY, network


class Organisation:
    def __init__(self, traits, size, encode):
        self.traits, self.rng = traits, traits.rng
        self.members, self.groups = everyone(traits, size)
        self.encode, self.events, self.serial, self.outage = encode, [], 0, None

    # Events

    def emit(self, member, time, place, device, activity="use", action=None, outcome="success", credential=None,
             campaign=None, resource=None):
        self.serial += 1
        source = {"ip": place.address(self.rng), "user_agent": device.agent, "country": place.country, "asn": place.asn,
                  "latitude": round(place.position[0], 2), "longitude": round(place.position[1], 2)}
        if device.host:
            source["host"] = device.host
        identity = {"id": member.id, "kind": member.kind}
        if member.group:
            identity["group"] = member.group
        event = {"event_id": f"e{self.serial:08d}", "time": int(time * 1000), "identity": identity,
                 "activity": activity, "outcome": outcome, "source": source}
        if credential:
            event["credential"] = {name: value for name, value in credential.items() if value is not None}
        if action:
            event["action"] = action
        if resource:
            event["resource"] = resource
        if member.kind != "human":
            event["purpose"] = f"job/{member.id}"
        line = self.encode(event)
        if line:
            self.events.append((time, event["event_id"], line, campaign))

    def session(self, member, device, time):
        """The session of a device; a new one begins when the last has ended. Returns it, and whether it is new."""
        known = member.keys.get(device.tag)
        if known and known["from"] <= time < known["until"]:
            return known["credential"], False
        device.serial += 1
        lifetime = self.traits.session_hours * 3600
        credential = {"id": f"{member.id}/{device.tag}/{device.serial}", "kind": "session",
                      "issuer": self.traits.issuers["session"], "issued_at": int(time * 1000),
                      "expires_at": int((time + lifetime) * 1000)}
        if not known or time >= known["until"]:
            member.keys[device.tag] = {"credential": credential, "from": time, "until": time + lifetime}
        return credential, True

    def password(self, member):
        return {"id": f"pw/{member.id}", "kind": "password", "issuer": self.traits.issuers["session"]}

    def key(self, member, time):
        """The key or token of a machine."""
        known = member.keys.get("key")
        if member.work in ("workload", "pipeline"):
            lifetime = self.traits.token_minutes * 60
            if not known or not known["created"] <= time < known["until"]:
                member.serial += 1
                known = {"created": time, "until": time + lifetime, "credential": {
                    "id": f"t/{member.id}/{member.serial}", "kind": "access_token",
                    "issuer": self.traits.issuers["access_token"], "issued_at": int(time * 1000),
                    "expires_at": int((time + lifetime) * 1000)}}
                member.keys["key"] = known
        elif not known:
            created = time - self.rng.uniform(0, self.traits.rotation_days) * DAY
            known = {"created": created, "credential": {"id": f"k/{member.id}/0", "kind": "api_key",
                     "issuer": self.traits.issuers["api_key"], "issued_at": int(created * 1000)}}
            member.keys["key"] = known
        if known.get("previous") and time < known["created"]:
            return known["previous"]
        return known["credential"]

    def rotate(self, member, time):
        member.serial += 1
        device, place = member.sites[0]
        previous = self.key(member, time)
        credential = {"id": f"k/{member.id}/{member.serial}", "kind": "api_key",
                      "issuer": self.traits.issuers["api_key"], "issued_at": int(time * 1000)}
        self.emit(member, time, place, device, "rotate", "iam:CreateAccessKey", credential=credential)
        member.keys["key"] = {"created": time, "credential": credential, "previous": previous}

    # Days

    def day(self, number, midnight):
        for member in self.members:
            if member.joined > number or number > member.last_day or number in member.away:
                continue
            if member.work == "person":
                self.persons_day(member, number, midnight)
            else:
                self.machines_day(member, number, midnight)

    def place(self, member, number, is_remote):
        if member.trip and number <= member.trip_until:
            return member.trip
        if not is_remote:
            return member.office.network
        if member.uses_vpn:
            return self.traits.vpns[self.traits.offices.index(member.office)]
        return member.home

    def persons_day(self, member, number, midnight):
        rng, traits = self.rng, self.traits
        weekday = (int(midnight // DAY) + 3) % 7
        is_weekend = weekday >= 5
        local = midnight - member.office.offset_hours * 3600
        month_end = member.month_end and (number % 30) in (28, 29)
        works = rng.random() < (0.93 if not is_weekend else traits.weekend_share)
        if member.on_call and rng.random() < 0.15:
            hour = rng.uniform(0, 5)
            self.sitting(member, local + hour * 3600, rng.uniform(0.2, 1.5), self.place(member, number, True), 6)
        if not works:
            return
        if member.trip_until < number and rng.random() < traits.trips_a_year / 250:
            office = rng.choice(traits.offices + [member.office])
            member.trip = network(rng, office.country, office.network.position)
            member.trip_until = number + rng.randrange(1, 5)
        is_remote = is_weekend or rng.random() < member.remote
        begin = local + (member.start_hour + rng.gauss(0, 0.5)) * 3600
        hours = rng.uniform(6.5, 9.5) + (3 if month_end else 0)
        self.sitting(member, begin, hours, self.place(member, number, is_remote), member.rate * (1.6 if month_end else 1))
        if member.has_phone and rng.random() < 0.6:
            self.phone(member, local + rng.uniform(7, 22) * 3600)
        if rng.random() < traits.forgotten_a_year / 250:
            self.forgotten_password(member, begin + rng.uniform(0, 3600), self.place(member, number, is_remote))

    def phone(self, member, time):
        if len(member.devices) < 3 and not any(device.host is None for device in member.devices[1:]):
            member.devices.append(Device(None, "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Mobile/15E148"))
        device = member.devices[-1]
        near = network(self.rng, member.office.country, member.office.network.position, member.carrier)
        place = member.home if self.rng.random() < 0.5 else near
        for _ in range(self.rng.randrange(1, 5)):
            credential, _ = self.session(member, device, time)
            self.emit(member, time, place, device, action=member.actions[0], credential=credential)
            time += self.rng.expovariate(1 / 600)

    def forgotten_password(self, member, time, place):
        device = member.devices[0]
        for _ in range(self.rng.randrange(2, 6)):
            self.emit(member, time, place, device, "authenticate", "sso:Login", "failure", self.password(member))
            time += self.rng.uniform(8, 60)
        self.emit(member, time + 120, place, device, "refresh", "sso:ResetPassword", credential=self.password(member))
        self.emit(member, time + 150, place, device, "authenticate", "sso:Login", credential=self.password(member))

    def sitting(self, member, begin, hours, place, events):
        rng, time, end = self.rng, begin, begin + hours * 3600
        device = member.devices[0]
        if rng.random() < 0.5:
            while rng.random() < self.traits.mistyped:
                self.emit(member, time, place, device, "authenticate", "sso:Login", "failure", self.password(member))
                time += rng.uniform(5, 30)
            self.emit(member, time, place, device, "authenticate", "sso:Login", credential=self.password(member))
        while time < end:
            device = rng.choice(member.devices[:2]) if len(member.devices) > 1 and member.devices[1].host else device
            credential, is_new = self.session(member, device, time)
            if is_new and self.traits.refreshes:
                self.emit(member, time, place, device, "refresh", "oauth:Token",
                          credential={"id": f"r/{member.id}/{device.tag}", "kind": "refresh_token",
                                      "issuer": self.traits.issuers["session"]})
            if self.is_out(time):
                self.emit(member, time, place, device, "authenticate", "sso:Login", "failure", self.password(member))
            else:
                weights = [1 / (at + 1) for at in range(len(member.actions))]
                action = rng.choices(member.actions, weights)[0]
                outcome = "denied" if rng.random() < self.traits.error_share / 4 else "success"
                self.emit(member, time, place, device, action=action, credential=credential, outcome=outcome,
                          resource=f"{action.split(':')[0]}/{member.group}/{rng.randrange(40)}")
            time += rng.expovariate(events / (hours * 3600)) if rng.random() < 0.8 else rng.uniform(600, 3600)

    def is_out(self, time):
        return self.outage is not None and self.outage[0] <= time < self.outage[1]

    def machines_day(self, member, number, midnight):
        rng, traits = self.rng, self.traits
        if member.work == "workload" and rng.random() < traits.deployments_a_week / 7:
            generation = "".join(rng.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(9))
            for at, (device, _) in enumerate(member.sites):
                suffix = "".join(rng.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
                device.host = f"{member.id}-{generation}-{suffix}"
        if member.work in ("service", "poller", "nightly", "monthly"):
            self.key(member, midnight)
            created = member.keys["key"]["created"]
            if midnight - created > traits.rotation_days * DAY and rng.random() < 0.3:
                self.rotate(member, midnight + rng.uniform(8, 17) * 3600)
        moments = []
        if member.work == "poller":
            time = member.phase
            while time < DAY:
                moments.append(time)
                time += member.interval
            member.phase = time - DAY
        elif member.work in ("nightly", "monthly"):
            if member.work == "monthly" and number % 30 != 29:
                return
            volume = int(member.rate * (rng.choice([1, 1, 1, 1, 1, 1, 8]) if member.work == "nightly" else 3))
            start = member.start_hour * 3600 + rng.uniform(0, 600)
            moments = sorted(start + rng.expovariate(1 / 1200) for _ in range(volume))
        elif member.work == "pipeline":
            for _ in range(rng.randrange(1, 8) if (int(midnight // DAY) + 3) % 7 < 5 else rng.randrange(2)):
                start = rng.uniform(6, 20) * 3600
                moments += [start + rng.expovariate(1 / 200) for _ in range(max(2, int(member.rate / 8)))]
        else:
            moments = [rng.uniform(0, DAY) for _ in range(int(member.rate))]
        for moment in sorted(moments):
            time = midnight + moment
            device, place = rng.choice(member.sites)
            action = rng.choices(member.actions, [1 / (at + 1) for at in range(len(member.actions))])[0]
            outcome = "error" if rng.random() < traits.error_share else "success"
            self.emit(member, time, place, device, action=action, credential=self.key(member, time), outcome=outcome,
                      resource=f"{action.split(':')[0]}/{member.group}/{rng.randrange(12)}")

    # Changes

    def change(self, name, number, midnight):
        """One change that happens to organisations."""
        rng, traits = self.rng, self.traits
        people = [member for member in self.members if member.work == "person"]
        machines = [member for member in self.members if member.work not in ("person", "workload", "pipeline")]
        if name == "holidays":
            for member in people:
                if rng.random() < 0.95:
                    member.away.update({number, number + 1})
        elif name == "shutdown":
            for member in people:
                if rng.random() < 0.9:
                    member.away.update(range(number, number + 9))
        elif name == "merger":
            office = traits._office(rng.choice(["SG", "BR", "JP", "PL"]))
            traits.offices.append(office)
            traits.vpns.append(network(rng, office.country, office.network.position))
            for at in range(max(3, len(people) // 8)):
                self.members.append(person(traits, 9_000 + 100 * number + at, self.groups, office))
        elif name == "rotation wave":
            for member in machines:
                if rng.random() < 0.8:
                    self.rotate(member, midnight + rng.uniform(9, 12) * 3600)
        elif name == "reorganisation":
            for member in people:
                if rng.random() < 0.25:
                    member.group = rng.choice(sorted(self.groups))
                    member.actions = self.groups[member.group] + member.actions[:2]
        elif name == "new laptops":
            for member in people:
                if rng.random() < 0.3:
                    member.devices[0] = Device(
                        traits.host(member.id + "2") if traits.states_hosts_of_people else None, traits.agent(BROWSERS))
        elif name == "new vpn":
            traits.vpns = [network(rng, office.country, office.network.position) for office in traits.offices]
        elif name == "all hands":
            for member in people:
                if rng.random() < 0.6:
                    local = midnight - member.office.offset_hours * 3600
                    self.sitting(member, local + rng.uniform(19, 21) * 3600, 3, self.place(member, number, True), 8)
        elif name == "outage":
            start = midnight + rng.uniform(7, 15) * 3600
            self.outage = (start, start + rng.uniform(0.3, 2) * 3600)
        elif name == "new lifetime":
            traits.session_hours = rng.choice([2, 6, 12, 16])
        elif name == "backfill":
            for member in rng.sample(machines, min(2, len(machines))):
                time = midnight + rng.uniform(0, 18) * 3600
                device, place = member.sites[0]
                for _ in range(int(member.rate * 15)):
                    self.emit(member, time, place, device, action=member.actions[0], credential=self.key(member, time))
                    time += rng.expovariate(1 / 20)


CHANGES = ["holidays", "merger", "rotation wave", "reorganisation", "new laptops", "new vpn", "all hands", "outage",
           "new lifetime", "backfill", "shutdown"]
