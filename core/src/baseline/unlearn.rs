//! Values that turned out to be an attacker's are forgotten, wherever they were counted.

use crate::baseline::credential::CredentialRecord;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::profile::Profile;
use crate::baseline::store::BaselineMut;

impl BaselineMut<'_> {
    /// Forgets the value whose key is `fact`: the identity and the credential wholly, peers and
    /// everyone by one adoption of `shared_weight`. What is no value is not found, and nothing
    /// happens.
    pub fn forget(&mut self, deviation: u32, shared_weight: f32) {
        if let Some(profile) = self.profile.as_deref_mut() {
            profile.forget(deviation);
        }
        if let Some(credential) = self.credential.as_deref_mut() {
            credential.forget(deviation);
        }
        self.peers.retract(deviation, shared_weight);
        self.population.retract(deviation, shared_weight);
    }
}

impl Profile {
    fn forget(&mut self, key: u32) {
        self.host.forget(key);
        self.prefix.forget(key);
        self.network.forget(key);
        self.country.forget(key);
        self.client.forget(key);
        self.action.forget(key);
        self.resource.forget(key);
    }
}

impl CredentialRecord {
    fn forget(&mut self, key: u32) {
        self.hosts.forget(key);
        self.networks.forget(key);
        self.clients.forget(key);
    }
}

impl GroupBaseline {
    fn retract(&mut self, key: u32, weight: f32) {
        for map in self.maps_mut() {
            map.retract(key, weight);
        }
    }
}
