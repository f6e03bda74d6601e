//! Codes of countries that logs name in words.

/// Countries by the names that logs write, in lower case.
const COUNTRIES: [(&str, &str); 40] = [
    ("united states", "US"),
    ("germany", "DE"),
    ("canada", "CA"),
    ("united kingdom", "GB"),
    ("france", "FR"),
    ("netherlands", "NL"),
    ("ireland", "IE"),
    ("iceland", "IS"),
    ("romania", "RO"),
    ("poland", "PL"),
    ("spain", "ES"),
    ("italy", "IT"),
    ("portugal", "PT"),
    ("norway", "NO"),
    ("sweden", "SE"),
    ("denmark", "DK"),
    ("finland", "FI"),
    ("switzerland", "CH"),
    ("austria", "AT"),
    ("belgium", "BE"),
    ("czechia", "CZ"),
    ("hungary", "HU"),
    ("bulgaria", "BG"),
    ("greece", "GR"),
    ("turkey", "TR"),
    ("ukraine", "UA"),
    ("russia", "RU"),
    ("israel", "IL"),
    ("india", "IN"),
    ("china", "CN"),
    ("hong kong", "HK"),
    ("japan", "JP"),
    ("south korea", "KR"),
    ("singapore", "SG"),
    ("vietnam", "VN"),
    ("australia", "AU"),
    ("new zealand", "NZ"),
    ("brazil", "BR"),
    ("mexico", "MX"),
    ("nigeria", "NG"),
];

/// The code of a country; an unknown name is absent.
pub(super) fn code(name: &str) -> Option<String> {
    if name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Some(name.to_uppercase());
    }
    let name = name.to_lowercase();
    let known = COUNTRIES.iter().find(|(known, _)| *known == name);
    known.map(|(_, code)| (*code).to_owned())
}
