//! Embeds the engine: a month of ordinary use of one service, and then its token on an attacker's host.

use credwatch_core::engine::{Detail, Engine, Settings, SourcePosition};
use credwatch_core::event::{Activity, Event, Identity, IdentityKind};
use credwatch_core::units::EventTime;

fn main() {
    let mut engine = Engine::new(Settings::default());
    for hour in 0..=720 {
        let identity = Identity {
            id: "svc-deploy".into(),
            kind: IdentityKind::Service,
            group: None,
            owner: None,
        };
        let time = EventTime::EARLIEST.saturating_add_ms(hour * 3_600_000);
        let mut event = Event::new(
            format!("event-{hour}").into(),
            time,
            identity,
            Activity::Use,
        );
        event.source.host = Some(if hour < 720 { "build-17" } else { "vps-9" }.into());
        let position = SourcePosition {
            topic: "events".into(),
            partition: 0,
            offset: hour,
            record_time: None,
        };
        let output = engine.step(&event, engine.keys(&event), &position, Detail::Explained);
        for signal in output
            .verdict
            .map(|verdict| verdict.signals)
            .unwrap_or_default()
        {
            if hour == 720 {
                eprintln!("{}: {}", signal.name, signal.explanation.sentence);
            }
        }
    }
}
