//! What is known: of one identity ([`profile`]), of its peers and of everyone ([`collective`]), of
//! single credentials ([`credential`]) and of who issues them ([`issuer`]), in a bounded store
//! ([`store`]), with the texts that explanations need ([`names`]), and who are peers where nobody
//! says ([`peers`]); all of it can be taken apart and put together ([`pieces`]), and kept while it
//! changes ([`Store::begin_checkpoint`](store::Store::begin_checkpoint)).

mod checkpoint;
pub mod collective;
pub mod credential;
pub mod durability;
pub mod issuer;
pub mod names;
pub mod peers;
pub mod piece_buffer;
pub mod pieces;
pub mod profile;
pub mod store;
mod unlearn;
pub mod uses;
