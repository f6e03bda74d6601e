//! Unlearning of values that turned out to be an attacker's.

use crate::baseline::credential::CredentialRecord;
use crate::baseline::store::BaselineMut;

impl BaselineMut<'_> {
    /// Unlearns the value `key`: the identity and the credential forget it, peers and population lose
    /// one adoption of `shared_weight`. A key that is not counted changes nothing.
    pub fn forget(&mut self, key: u32, shared_weight: f32) {
        if let Some(profile) = self.profile.as_deref_mut() {
            profile.unlearn_value(key, shared_weight);
        }
        if let Some(credential) = self.credential.as_deref_mut() {
            credential.forget(key);
        }
        self.peers.unlearn_value(key, shared_weight);
        self.population.unlearn_value(key, shared_weight);
    }
}

impl CredentialRecord {
    fn forget(&mut self, key: u32) {
        self.hosts.forget(key);
        self.networks.forget(key);
        self.clients.forget(key);
    }
}
