//! Log formats, one file or folder per source; recognition in [`source_format`], records of
//! a document in [`document`].

pub mod auth0;
pub mod azure;
pub mod cloudtrail;
mod country;
pub mod document;
pub mod duo;
pub mod entra;
mod envelope;
pub mod fields;
pub mod gcp;
pub mod github;
pub mod google_workspace;
pub mod jq;
pub mod json_object;
mod json_scan;
mod json_value;
pub mod keycloak;
pub mod kubernetes;
pub mod native;
pub mod ocsf;
pub mod okta;
pub mod onepassword;
pub mod source_format;
pub mod ssh;
pub mod time;
pub mod vault;
pub mod windows;
