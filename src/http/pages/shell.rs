//! The frame of every page: navigation, the strip of vital signs, and what the scripts begin with.

use super::{Page, assets};
use crate::console::access::Right;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::api::{ConsoleService, Health, health_of};
use maud::{DOCTYPE, Markup, html};

/// Pages of the navigation: page, path, icon, and whether a phone's bar has room for it.
const NAVIGATION: [(Page, &str, &str, bool); 6] = [
    (Page::Now, "/", "now", true),
    (Page::Hygiene, "/hygiene", "hygiene", true),
    (Page::Approvals, "/approvals", "approve", true),
    (Page::Audit, "/audit", "audit", true),
    (Page::Tuning, "/tuning", "tune", false),
    (Page::Settings, "/settings", "gear", true),
];

/// A whole page around `content`.
pub(super) fn page(
    state: &AppState,
    console: &ConsoleService,
    caller: &Caller,
    (page, id): (Page, &str),
    content: &Markup,
) -> Markup {
    let health = health_of(state, console);
    let rights: Vec<String> = match console.is_read_only {
        true => vec![Right::Read],
        false => caller.person.rights(),
    }
    .iter()
    .filter_map(|right| Some(serde_json::to_value(right).ok()?.as_str()?.to_owned()))
    .collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(page.title(), Some(page.name())))
            body data-may=(rights.join(" ")) data-name=(caller.person.name) data-now=(health.as_of)
                data-readonly=[console.is_read_only.then_some("1")]
                data-introduction=[console.introduction.filter(|_| page == Page::Now)]
                data-health=(serde_json::to_string(&health).unwrap_or_default()) {
                a.skip href="#main" { "Skip to content" }
                (navigation(page, &health))
                header.strip aria-label="State of the service" { (vital_signs(&health)) }
                main id="main" tabindex="-1" data-page=(page.name()) data-id=(id) {
                    div id="notices" {}
                    div id="page" { (content) }
                }
            }
        }
    }
}

/// Head of a document; `script` is the page whose script it runs.
pub(super) fn head(title: &str, script: Option<&str>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · credwatch" }
            link rel="icon" href=(assets::path("icon.svg")) type="image/svg+xml";
            link rel="stylesheet" href=(assets::path("app.css"));
            @if let Some(script) = script {
                link rel="modulepreload" href=(assets::path("app.js"));
                link rel="modulepreload" href=(assets::path("frame.js"));
                link rel="modulepreload" href=(assets::path("parts.js"));
                script type="module" src=(assets::path(&format!("{script}.js"))) {}
            }
        }
    }
}

/// An icon.
pub(super) fn icon(name: &str) -> Markup {
    html! {
        svg.i viewBox="0 0 16 16" aria-hidden="true" {
            use href=(format!("{}#{name}", assets::path("icons.svg"))) {}
        }
    }
}

fn navigation(here: Page, health: &Health) -> Markup {
    html! {
        nav.nav aria-label="Pages" {
            a.brand href="/" { (icon("brand")) span { "credwatch" } }
            @for (page, path, name, has_room) in NAVIGATION {
                a.to.more[!has_room] href=(path) title=(page.title())
                    aria-current=[(page == here).then_some("page")] {
                    (icon(name)) span.label { (page.title()) }
                    @if page == Page::Approvals {
                        span.n { @if health.approvals > 0 { (health.approvals) } }
                    }
                }
            }
            div.foot.tiny.dim { "Press " kbd { "?" } " for keys" }
        }
    }
}

/// The strip as it is until the script takes it over.
fn vital_signs(health: &Health) -> Markup {
    html! {
        div.vital { b { (health.alerts_today) " of " (health.alerts_per_day) } span { "alerts today" } }
        div.vital { b { (health.open) } span { "open" } }
        div.vital.mob { b { (health.identities) } span { "identities" } }
    }
}
