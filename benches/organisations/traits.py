"""What distinguishes one organisation from another: every constant is drawn from the seed."""

import random
from dataclasses import dataclass, field

DAY = 86_400
COUNTRIES = {
    "DE": (51.0, 10.0), "FR": (47.0, 2.4), "PL": (52.1, 19.4), "GB": (52.5, -1.5), "US": (40.0, -84.0),
    "IN": (18.5, 76.0), "BR": (-18.0, -46.0), "SG": (1.35, 103.8), "NO": (60.5, 9.0), "JP": (35.8, 138.5),
}
FOREIGN = {"RU": (55.7, 37.6), "NG": (6.5, 3.4), "VN": (21.0, 105.8), "NL": (52.3, 4.9), "RO": (44.4, 26.1)}
CLOUD_ASNS = [14061, 16276, 24940, 20473, 9009, 16509]
BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/{v}.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
]
TOOLS = ["aws-cli/2.{v}.0 Python/3.11", "Boto3/1.{v}.3 md/Botocore", "terraform/1.{v}", "okta-cli/0.{v}", "vault/1.{v}.1"]
AGENTS = ["aws-sdk-go/1.{v}.2", "Boto3/1.{v}.0", "curl/8.{v}", "python-requests/2.{v}", "Java/17.0.{v}"]
VERBS = ["Get", "List", "Describe", "Put", "Update"]
NOUNS = ["Object", "Instances", "Secret", "Queue", "Table", "Dashboard", "Invoice", "Ticket", "Repository", "Report",
         "Alarm", "Image", "Stream", "Policy", "Cluster", "Function"]
SERVICES = ["s3", "ec2", "sqs", "dynamodb", "logs", "crm", "erp", "git", "billing", "wiki", "lambda", "kms"]


@dataclass
class Network:
    """An address range with its place."""

    prefix: str
    asn: int
    country: str
    position: tuple

    def address(self, rng):
        return f"{self.prefix}.{rng.randrange(2, 250)}"


def network(rng, country, position, asn=None):
    prefix = f"{rng.randrange(11, 223)}.{rng.randrange(256)}.{rng.randrange(256)}"
    near = (position[0] + rng.gauss(0, 0.8), position[1] + rng.gauss(0, 0.8))
    return Network(prefix, asn or rng.randrange(2_000, 60_000), country, near)


@dataclass
class Office:
    country: str
    offset_hours: float
    network: Network
    carriers: list
    providers: list


@dataclass
class Traits:
    """Drawn constants of one organisation."""

    seed: int
    rng: random.Random = field(repr=False)

    def __post_init__(self):
        rng = self.rng
        names = rng.sample(sorted(COUNTRIES), rng.choice([1, 2, 2, 3]))
        self.offices = [self._office(name) for name in names]
        self.office_weights = [1.0] + [rng.uniform(0.1, 0.6) for _ in names[1:]]
        self.scheme = rng.choice(["asset", "desktop", "owner", "number", "uuid"])
        self.states_hosts_of_people = rng.random() < 0.85
        self.session_hours = rng.choice([1, 4, 8, 10, 24])
        self.token_minutes = rng.choice([15, 30, 60])
        self.refreshes = rng.random() < 0.7
        self.mistyped = rng.uniform(0.03, 0.18)
        self.forgotten_a_year = rng.uniform(2, 9)
        self.remote_share = rng.uniform(0.1, 0.7)
        self.vpn_share = rng.uniform(0.2, 0.9)
        self.phone_share = rng.uniform(0.3, 0.8)
        self.weekend_share = rng.uniform(0.01, 0.08)
        self.error_share = rng.uniform(0.004, 0.03)
        self.rotation_days = rng.choice([30, 60, 90, 180])
        self.deployments_a_week = rng.uniform(1, 7)
        self.person_events = rng.uniform(12, 40)
        self.machine_events = rng.uniform(20, 80)
        self.trips_a_year = rng.uniform(1, 6)
        self.on_call_share = rng.uniform(0.03, 0.12)
        self.month_end_share = rng.uniform(0.1, 0.4)
        self.issuers = {
            "session": rng.choice(["https://sso.corp", "https://login.example.net", "okta", "https://idp/realms/main"]),
            "api_key": rng.choice(["aws", "cloud-iam", "vault"]),
            "access_token": rng.choice(["vault-prod", "https://sts.corp", "oidc"]),
        }
        self.vpns = [network(rng, office.country, office.network.position) for office in self.offices]

    def _office(self, country):
        rng, position = self.rng, COUNTRIES[country]
        offset = round(position[1] / 15.0)
        carriers = [rng.randrange(2_000, 60_000) for _ in range(2)]
        providers = [rng.randrange(2_000, 60_000) for _ in range(4)]
        return Office(country, offset, network(rng, country, position), carriers, providers)

    def office(self):
        return self.rng.choices(self.offices, self.office_weights)[0]

    def host(self, owner):
        rng = self.rng
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
        tag = "".join(rng.choice(letters) for _ in range(7))
        return {
            "asset": f"LT-5{tag[:2]}{rng.randrange(1000, 9999)}",
            "desktop": f"DESKTOP-{tag}",
            "owner": f"{owner.split('@')[0].replace('.', '')}-mbp",
            "number": f"wks{rng.randrange(10_000):04d}",
            "uuid": f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}",
        }[self.scheme]

    def action(self):
        rng = self.rng
        return f"{rng.choice(SERVICES)}:{rng.choice(VERBS)}{rng.choice(NOUNS)}"

    def agent(self, templates):
        return self.rng.choice(templates).format(v=self.rng.randrange(10, 130))
