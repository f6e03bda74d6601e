//! Members of the organisation: people with laptops and phones, services, workloads, nightly jobs.

use crate::simulation::places;
use crate::simulation::places::Place;
use crate::simulation::rng::Rng;

/// Pattern of activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Office hours, in sessions.
    Person,
    /// Round the clock, on a few named machines.
    Service,
    /// Round the clock, on as many generated machines as the hour requires.
    Workload,
    /// Once a night.
    Nightly,
}

impl Work {
    /// Kind of identity, kind of its credentials, and who issues them.
    #[must_use]
    pub fn credentials(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Person => ("human", "session", "sso"),
            Self::Service => ("service", "access_token", "vault"),
            Self::Workload => ("workload", "x509", "mesh"),
            Self::Nightly => ("automation", "access_token", "vault"),
        }
    }
}

/// A device at a location.
#[derive(Clone, Debug)]
pub struct Site {
    /// Host.
    pub host: String,
    /// Client software.
    pub client: String,
    /// Location.
    pub place: Place,
    /// Index of the session or token that it uses.
    pub holder: String,
}

/// One identity and its habits.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name.
    pub id: String,
    /// Number, from which constant habits are derived.
    pub number: usize,
    /// The office of a person, by number.
    pub office: usize,
    /// Whether its log states hosts; that of a cloud console does not.
    pub has_hosts: bool,
    /// Peer group.
    pub group: &'static str,
    /// Pattern of activity.
    pub work: Work,
    /// Sites, the usual one first: a person's office and home, a machine's replicas.
    pub sites: Vec<Site>,
    /// A person's phone.
    pub phone: Option<Site>,
    /// Share of days at home, and whether these go through the VPN.
    pub home_share: f64,
    /// Whether work from home uses the VPN.
    pub uses_vpn: bool,
    /// Actions, the most frequent first.
    pub actions: Vec<&'static str>,
    /// Token lifetime, in seconds.
    pub token_secs: i64,
    /// Remaining days of a trip.
    pub trip_days: i64,
    /// Destination.
    pub trip: Option<Place>,
    /// Remaining days on call.
    pub on_call_days: i64,
    /// Whether its key is rotated today.
    pub rotates_today: bool,
    /// Whether it does twenty nights' work this night.
    pub is_backfilling: bool,
    /// Hour at which its work begins.
    pub start_hour: f64,
    /// Events on an active day.
    pub events_a_day: f64,
}

const GROUPS: [(&str, &[&str]); 3] = [
    (
        "engineering",
        &[
            "s3:GetObject",
            "ec2:DescribeInstances",
            "logs:FilterLogEvents",
            "s3:ListBucket",
            "ecr:GetAuthorizationToken",
            "s3:PutObject",
            "cloudwatch:GetMetricData",
            "lambda:UpdateFunctionCode",
        ],
    ),
    (
        "finance",
        &[
            "athena:StartQueryExecution",
            "athena:GetQueryResults",
            "s3:GetObject",
            "ce:GetCostAndUsage",
        ],
    ),
    (
        "operations",
        &[
            "ec2:DescribeInstances",
            "ssm:DescribeInstanceInformation",
            "ssm:StartSession",
            "ec2:RebootInstances",
            "cloudwatch:DescribeAlarms",
            "iam:ListUsers",
            "iam:AttachUserPolicy",
        ],
    ),
];
const MACHINES: [&[&str]; 3] = [
    &[
        "s3:GetObject",
        "s3:PutObject",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
    ],
    &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
    &[
        "secretsmanager:GetSecretValue",
        "rds-data:ExecuteStatement",
        "s3:GetObject",
    ],
];
const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Edge/131.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
];
const PHONES: [&str; 2] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/131.0 Mobile Safari/537.36",
];
/// The group of those who share the on-call rotation.
pub const ON_CALL_GROUP: &str = "operations";

/// All members at the beginning, `size` identities.
pub fn everyone(size: usize, dice: &mut Rng) -> Vec<Member> {
    let (people, nightly, workloads) = (size * 3 / 5, size / 10, size / 8);
    let work = |n: usize| match n {
        n if n < people => Work::Person,
        n if n < people + nightly => Work::Nightly,
        n if n < people + nightly + workloads => Work::Workload,
        _ => Work::Service,
    };
    let member = |n| match work(n) {
        Work::Person => person(n, dice),
        other => machine(n, other, dice),
    };
    (0..size).map(member).collect()
}

/// Person number `n`.
pub fn person(n: usize, dice: &mut Rng) -> Member {
    let (group, actions) = GROUPS[n % GROUPS.len()];
    let office = dice.below(3);
    let laptop = format!("laptop-{n:03}");
    let client = (*dice.favourite(&BROWSERS)).to_owned();
    let site = |place| Site {
        host: laptop.clone(),
        client: client.clone(),
        place,
        holder: laptop.clone(),
    };
    let sites = vec![
        site(places::office(office)),
        site(places::home(office, dice)),
    ];
    let phone = dice.chance(0.6).then(|| phone(n, office, dice));
    let known = 3 + dice.below(actions.len() - 2);
    Member {
        sites,
        phone,
        office,
        home_share: dice.between(0.0, 0.7),
        uses_vpn: dice.chance(0.3),
        actions: actions[..known.min(actions.len())].to_vec(),
        token_secs: 8 * 3_600,
        start_hour: dice.between(6.5, 9.0),
        events_a_day: dice.between(15.0, 60.0),
        ..blank(format!("user-{n:03}"), n, group, Work::Person)
    }
}

/// The phone of person `n`, in the country of `office`.
pub fn phone(n: usize, office: usize, dice: &mut Rng) -> Site {
    let host = format!("phone-{n:03}-{}", dice.below(100));
    Site {
        client: PHONES[dice.below(PHONES.len())].to_owned(),
        place: places::mobile(office, n % 2, dice),
        holder: host.clone(),
        host,
    }
}

fn machine(n: usize, work: Work, dice: &mut Rng) -> Member {
    let (name, group) = match work {
        Work::Nightly => ("job", "batch"),
        Work::Workload => ("pod", "mesh"),
        _ => ("svc", "backend"),
    };
    let id = format!("{name}-{n:03}");
    let replicas = match work {
        Work::Workload => 2 + dice.below(5),
        _ => 1 + dice.below(3),
    };
    let sites = (0..replicas)
        .map(|replica| {
            let host = match work {
                Work::Workload => generated(&id, n as i64, replica),
                _ => format!("node-{n:03}-{replica}"),
            };
            Site {
                client: format!("aws-sdk-go/1.{} (linux; amd64)", 40 + n % 10),
                place: places::data_centre(n),
                holder: host.clone(),
                host,
            }
        })
        .collect();
    Member {
        sites,
        actions: MACHINES[n % MACHINES.len()].to_vec(),
        token_secs: match work {
            Work::Workload => 3_600,
            _ if dice.chance(0.5) => 900,
            _ => 3_600,
        },
        start_hour: dice.between(1.0, 4.0),
        events_a_day: match work {
            Work::Nightly => 30.0,
            _ => dice.between(60.0, 300.0),
        },
        ..blank(id, n, group, work)
    }
}

fn blank(id: String, number: usize, group: &'static str, work: Work) -> Member {
    Member {
        id,
        number,
        office: 0,
        has_hosts: work != Work::Service || !number.is_multiple_of(3),
        group,
        work,
        sites: Vec::new(),
        phone: None,
        home_share: 0.0,
        uses_vpn: false,
        actions: Vec::new(),
        token_secs: 3_600,
        trip_days: 0,
        trip: None,
        on_call_days: 0,
        rotates_today: false,
        is_backfilling: false,
        start_hour: 0.0,
        events_a_day: 0.0,
    }
}

/// The name of replica `replica` of `name` in its deployment `version`, as an orchestrator generates it.
#[must_use]
pub fn generated(name: &str, version: i64, replica: usize) -> String {
    let tag = (version * 2_654_435_761 + replica as i64 * 40_503) & 0xf_ffff;
    format!("{name}-{tag:05x}b7-x{:04x}", (tag * 31) & 0xffff)
}
