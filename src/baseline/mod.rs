//! What is known: of one identity ([`profile`]), of its peers and of everyone ([`collective`]),
//! in a bounded store ([`store`]), with the texts that explanations need ([`names`]).

pub mod collective;
pub mod names;
pub mod profile;
pub mod store;
