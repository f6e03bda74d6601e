//! Words that no reader of this field would guess are kept out of code, configuration and documentation.

use super::{root, texts};

/// Each with the term to use instead.
const BANNED: [(&str, &str); 40] = [
    ("heed", "apply, validate"),
    ("hearsay", "untrusted observation"),
    ("shout", "alert, publish"),
    ("told", "reported, notified"),
    ("set aside", "sent to the dead-letter topic, rejected"),
    ("bit by bit", "incrementally"),
    ("in silence", "with outputs suppressed"),
    ("way out", "how to recover"),
    ("brought up", "migrated"),
    ("brings up", "migrates"),
    ("taken up", "restored"),
    ("take up", "restore"),
    ("takes up", "restores"),
    ("gave way", "evicted"),
    ("give way", "are evicted"),
    ("gives way", "is evicted"),
    ("let go", "evicted"),
    ("left alone", "circuit open"),
    ("is worth", "has weight, prior strength"),
    ("what it is worth", "prior strength"),
    ("believed", "trusted, accepted"),
    ("speaks", "contributes"),
    ("speak for", "contribute"),
    ("comes to rest", "becomes stable"),
    ("come to rest", "become stable"),
    ("more often than not", "usually"),
    ("its part", "its budget"),
    ("by then", "at that time"),
    ("carried out", "executed"),
    ("carries out", "executes"),
    ("carry out", "execute"),
    ("nobody answers", "no reply, unreachable"),
    ("is void", "has expired"),
    ("postman", "feeder"),
    ("mailbox", "poll queue"),
    ("deed", "event, activity"),
    ("gives up", "abandons, aborts"),
    ("given up", "abandoned, aborted"),
    ("anew", "again"),
    ("at ease", "tolerant"),
];

/// Whether `text` contains `phrase` as whole words.
fn contains_phrase(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !is_word(before) && !is_word(after)
    })
}

/// Line number and banned phrase of each finding in `text`, across line breaks of comments.
fn findings(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    let lines: Vec<String> = text.lines().map(str::to_lowercase).collect();
    for (at, line) in lines.iter().enumerate() {
        let strip = |line: &str| {
            line.trim()
                .trim_start_matches(['/', '!', '#', '>'])
                .to_owned()
        };
        let next = lines.get(at + 1).map_or(String::new(), |next| strip(next));
        let joined = format!("{line} {}", next.trim_start());
        for (phrase, instead) in BANNED {
            if contains_phrase(&joined, phrase) && !contains_phrase(&next, phrase) {
                found.push((at + 1, phrase, instead));
            }
        }
    }
    found
}

#[test]
fn banned_words_are_found_alone_and_across_lines() {
    assert_eq!(findings("// the record is set\n// aside").len(), 1);
    assert_eq!(findings("let told = 1;").len(), 1);
    assert!(findings("indeed, an untold number").is_empty());
}

#[test]
fn code_configuration_and_documentation_use_the_terms_of_the_field() {
    let mut problems = Vec::new();
    let folders = [
        "src",
        "core",
        "benches",
        "fuzz/fuzz_targets",
        "config",
        "models",
        "docs",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docker-compose.yml",
    ];
    for folder in folders {
        assert!(root().join(folder).exists(), "{folder} is missing");
        let extensions = [
            "rs", "toml", "md", "txt", "json", "yml", "html", "css", "js",
        ];
        let mut files = texts(folder, &extensions);
        // Schemas are OCSF's.
        files.retain(|file, _| !file.starts_with("models/schemas"));
        for (file, text) in files {
            for (line, phrase, instead) in findings(&text) {
                problems.push(format!("{file}:{line}: `{phrase}`: say {instead}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
