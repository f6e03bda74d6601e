//! Locations of people and machines: offices, homes, trips, and networks rented by attackers.

use crate::simulation::rng::Rng;

/// A network at a location.
#[derive(Clone, Debug)]
pub struct Place {
    /// First three octets.
    pub prefix: String,
    /// Autonomous system.
    pub asn: u32,
    /// Country.
    pub country: &'static str,
    /// Degrees north and east.
    pub position: (f64, f64),
}

struct Country {
    name: &'static str,
    position: (f64, f64),
    /// Access providers of homes.
    homes: [u32; 4],
    /// Carriers of phones.
    carriers: [u32; 2],
}

/// Countries with an office.
const COUNTRIES: [Country; 3] = [
    Country {
        name: "NO",
        position: (59.9, 10.7),
        homes: [2_119, 29_695, 39_832, 15_659],
        carriers: [2_116, 48_925],
    },
    Country {
        name: "DE",
        position: (52.5, 13.4),
        homes: [3_320, 31_334, 6_805, 8_881],
        carriers: [3_209, 6_724],
    },
    Country {
        name: "GB",
        position: (51.5, -0.1),
        homes: [2_856, 5_607, 5_089, 13_285],
        carriers: [12_576, 25_135],
    },
];

/// Prefixes and networks of the offices, in the order of [`COUNTRIES`].
const OFFICES: [(&str, u32); 3] = [
    ("10.20.1", 64_601),
    ("10.30.1", 64_602),
    ("10.40.1", 64_603),
];

/// Trip destinations: country, hotel provider, position.
const JOURNEYS: [(&str, u32, (f64, f64)); 9] = [
    ("FR", 5_410, (48.9, 2.4)),
    ("SE", 3_301, (59.3, 18.1)),
    ("US", 7_018, (40.7, -74.0)),
    ("NL", 1_136, (52.4, 4.9)),
    ("ES", 3_352, (40.4, -3.7)),
    ("PL", 5_617, (52.2, 21.0)),
    ("IT", 3_269, (41.9, 12.5)),
    ("DK", 3_292, (55.7, 12.6)),
    ("IE", 5_466, (53.3, -6.3)),
];

/// Networks on which attackers rent machines.
const HIRED: [(&str, u32, (f64, f64)); 12] = [
    ("RO", 9_009, (44.4, 26.1)),
    ("NL", 60_404, (52.4, 4.9)),
    ("US", 14_061, (40.7, -74.0)),
    ("DE", 24_940, (50.1, 8.7)),
    ("RU", 49_505, (55.8, 37.6)),
    ("FR", 16_276, (50.7, 3.2)),
    ("SG", 20_473, (1.3, 103.8)),
    ("BG", 203_380, (42.7, 23.3)),
    ("UA", 200_019, (50.5, 30.5)),
    ("HK", 132_203, (22.3, 114.2)),
    ("BR", 262_287, (-23.5, -46.6)),
    ("MD", 200_850, (47.0, 28.9)),
];

/// The exit of the company's VPN.
pub(super) fn vpn() -> Place {
    Place {
        prefix: "193.10.7".to_owned(),
        asn: 64_610,
        country: "NL",
        position: (52.4, 4.9),
    }
}

/// A data centre's network for machine `n`.
pub(super) fn data_centre(n: usize) -> Place {
    Place {
        prefix: format!("172.16.{}", n % 250),
        asn: 16_509,
        country: "IE",
        position: (53.3, -6.3),
    }
}

/// One of the offices, by number.
pub(super) fn office(n: usize) -> Place {
    let (prefix, asn) = OFFICES[n % OFFICES.len()];
    let country = &COUNTRIES[n % COUNTRIES.len()];
    Place {
        prefix: prefix.to_owned(),
        asn,
        country: country.name,
        position: country.position,
    }
}

fn near(position: (f64, f64), degrees: f64, dice: &mut Rng) -> (f64, f64) {
    let mut off = || dice.between(-degrees, degrees);
    (position.0 + off(), position.1 + off())
}

/// A private line in the country of office `n`.
pub(super) fn home(n: usize, dice: &mut Rng) -> Place {
    let country = &COUNTRIES[n % COUNTRIES.len()];
    Place {
        prefix: format!("84.{}.{}", dice.below(250), dice.below(250)),
        asn: *dice.favourite(&country.homes),
        country: country.name,
        position: near(country.position, 0.3, dice),
    }
}

/// A phone's network in the country of office `n`, with the carrier's addresses and locations.
pub(super) fn mobile(n: usize, client: usize, dice: &mut Rng) -> Place {
    let country = &COUNTRIES[n % COUNTRIES.len()];
    Place {
        prefix: format!("100.{}.{}", 64 + client, dice.below(60)),
        asn: country.carriers[client % country.carriers.len()],
        country: country.name,
        position: near(country.position, 1.5, dice),
    }
}

/// A hotel abroad.
pub(super) fn hotel(dice: &mut Rng) -> Place {
    let (country, asn, position) = *dice.favourite(&JOURNEYS);
    Place {
        prefix: format!("81.{}.{}", dice.below(250), dice.below(250)),
        asn,
        country,
        position,
    }
}

/// A machine rented by an attacker.
pub(super) fn hired(dice: &mut Rng) -> Place {
    let (country, asn, position) = HIRED[dice.below(HIRED.len())];
    Place {
        prefix: format!("185.{}.{}", dice.below(250), dice.below(250)),
        asn,
        country,
        position,
    }
}
