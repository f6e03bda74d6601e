//! Log formats, one file or folder per source; recognition in [`source_format`].

pub mod cloudtrail;
pub mod json_object;
pub mod keycloak;
pub mod native;
pub mod source_format;
pub mod time;
