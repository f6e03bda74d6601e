//! Every fuzz target runs: on an empty input, on an object, and on bytes that are no text.

use std::process::Command;

const INPUTS: [&[u8]; 4] = [
    b"",
    b"{}",
    b"{\"time\":1700000000000,",
    b"\x00\xff\xfe\x7f\x80",
];

fn run(target: &str) {
    let folder = std::env::temp_dir().join(format!("credwatch-fuzz-{}", std::process::id()));
    let name = target.rsplit('/').next().unwrap_or_default();
    for (at, input) in INPUTS.iter().enumerate() {
        let file = folder.join(format!("{name}-{at}"));
        std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
        std::fs::write(&file, input).expect("the temporary directory is writable");
        let output = Command::new(target)
            .arg(&file)
            .output()
            .expect("the target runs");
        assert!(output.status.success(), "{name} on {input:?}: {output:?}");
    }
}

#[test]
fn every_target_runs() {
    for target in [
        env!("CARGO_BIN_EXE_cloudtrail"),
        env!("CARGO_BIN_EXE_feedback"),
        env!("CARGO_BIN_EXE_keycloak"),
        env!("CARGO_BIN_EXE_native"),
        env!("CARGO_BIN_EXE_records"),
        env!("CARGO_BIN_EXE_schemas"),
        env!("CARGO_BIN_EXE_sources"),
        env!("CARGO_BIN_EXE_state_records"),
    ] {
        run(target);
    }
}
