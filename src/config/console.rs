//! The console: who may log in, and how much it holds.

use super::raw::{RawConsole, RawPerson};
use super::secret::{Secret, read_secret};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// A role of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Answers alerts.
    Analyst,
    /// Approves orders, and pauses containment.
    Approver,
    /// Pauses containment, and lets identities be forgotten.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Analyst, Self::Approver, Self::Admin];

    /// The role of a name, such as a claim of an identity provider states it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// Somebody who may log in.
#[derive(Clone, Debug)]
pub struct ConsolePerson {
    /// Name, as the audit trail states it.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Token; empty: identified by the proxy only.
    pub token: Secret,
}

/// A proxy that authenticates people.
#[derive(Clone, Debug)]
pub struct ConsoleProxy {
    /// Header with the name of the person.
    pub user_header: String,
    /// What the proxy sends in `X-Credwatch-Proxy`.
    pub secret: Secret,
}

/// Log-in by an identity provider.
#[derive(Clone, Debug)]
pub struct ConsoleOidc {
    /// Issuer.
    pub issuer: String,
    /// Client.
    pub client_id: String,
    /// Secret of the client; empty for a public client.
    pub client_secret: Secret,
    /// Address of the console as browsers see it, without a path.
    pub public_url: String,
    /// Claim of the id token that lists roles; a path such as `realm_access.roles`.
    pub roles_claim: String,
}

/// The console.
#[derive(Clone, Debug)]
pub struct ConsoleSettings {
    /// Incidents held in memory.
    pub max_incidents: usize,
    /// How long a session lasts.
    pub session_lifetime: Duration,
    /// Who may log in.
    pub people: Vec<ConsolePerson>,
    /// A proxy that authenticates people.
    pub proxy: Option<ConsoleProxy>,
    /// Log-in by an identity provider.
    pub oidc: Option<ConsoleOidc>,
}

impl ConsoleSettings {
    /// Whether anybody can log in.
    #[must_use]
    pub fn has_people(&self) -> bool {
        !self.people.is_empty() || self.oidc.is_some()
    }
}

pub(super) fn console(raw: RawConsole, problems: &mut Vec<String>) -> ConsoleSettings {
    let people = raw.people.into_iter().enumerate();
    let people = people
        .map(|(at, person)| self::person(at, person, problems))
        .collect();
    let proxy = (!raw.proxy_user_header.is_empty()).then(|| ConsoleProxy {
        secret: read_secret(
            "console.proxy_secret_file",
            &raw.proxy_secret_file,
            problems,
        ),
        user_header: raw.proxy_user_header.to_ascii_lowercase(),
    });
    if proxy.as_ref().is_some_and(|proxy| proxy.secret.is_empty()) {
        problems.push(
            "`console.proxy_user_header` needs `console.proxy_secret_file`: otherwise anybody on this host \
             could name a person"
                .to_owned(),
        );
    }
    let oidc = (!raw.oidc_issuer.is_empty()).then(|| ConsoleOidc {
        issuer: raw.oidc_issuer,
        client_id: raw.oidc_client_id,
        client_secret: read_secret("console.oidc_secret_file", &raw.oidc_secret_file, problems),
        public_url: raw.oidc_public_url.trim_end_matches('/').to_owned(),
        roles_claim: raw.oidc_roles_claim,
    });
    if let Some(oidc) = &oidc
        && (oidc.client_id.is_empty() || oidc.public_url.is_empty())
    {
        let why =
            "`console.oidc_issuer` needs `console.oidc_client_id` and `console.oidc_public_url`";
        problems.push(why.to_owned());
    }
    ConsoleSettings {
        max_incidents: raw.max_incidents.as_usize(),
        session_lifetime: Duration::from_secs(raw.session_hours.as_u64() * 3_600),
        people,
        proxy,
        oidc,
    }
}

fn person(at: usize, raw: RawPerson, problems: &mut Vec<String>) -> ConsolePerson {
    let path = format!("console.people[{at}].token_file");
    let token = read_secret(&path, &raw.token_file, problems);
    ConsolePerson {
        name: raw.name.0,
        roles: raw.roles,
        token,
    }
}
