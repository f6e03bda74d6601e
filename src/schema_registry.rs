//! Schemas from a registry over HTTP, or from a file: fetched once, and kept.
//!
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>

use crate::config::{Encoding, Endpoint};
use crate::http_client::{HttpClient, HttpClientError};
use crate::schemas::{ReferencedSchema, Schema, SchemaError, SchemaKind, ValueError, parse_frame};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::byte_serialize;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response.
const RESPONSE_BYTES: u64 = 4 << 20;
/// Schemas that one schema may refer to, directly or not.
const MAX_REFERENCES: usize = 64;
/// Schemas that are kept.
const MAX_SCHEMAS: usize = 10_000;

/// Why no schema is there: the record is to be read again.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not respond, or refuses.
    #[error("schema registry {url}: {why}")]
    Unavailable {
        /// URL of the request.
        url: String,
        /// Why.
        why: String,
    },
    /// Its certificates cannot be read.
    #[error("schema_registry: {0}")]
    Client(#[from] HttpClientError),
    /// The file of a schema is invalid.
    #[error("`ingest.schema_file` {path}: {why}")]
    File {
        /// File.
        path: String,
        /// Why.
        why: String,
    },
}

/// Why a record cannot be decoded, or not now.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It will never be.
    #[error("{0}")]
    Rejected(String),
    /// The registry is not available.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<ValueError> for DecodeError {
    fn from(error: ValueError) -> Self {
        Self::Rejected(error.to_string())
    }
}

/// A schema as a registry states it.
#[derive(Deserialize)]
struct StatedSchema {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<StatedReference>,
}

/// A reference as a registry states it.
#[derive(Deserialize)]
struct StatedReference {
    name: String,
    subject: String,
    version: u32,
}

/// A client of a registry, with the schemas that it fetched.
#[derive(Debug)]
pub struct SchemaRegistry {
    client: HttpClient,
    url: String,
    authorization: Option<String>,
    /// By id; `Err` holds why a schema cannot be used.
    schemas: HashMap<u32, Result<Arc<Schema>, String>>,
}

impl SchemaRegistry {
    /// A client of `endpoint`, with the credentials of `username` where one is given.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub fn new(endpoint: &Endpoint, username: &str) -> Result<Self, RegistryError> {
        let client = HttpClient::new(endpoint, TIMEOUT, RESPONSE_BYTES)?;
        let secret = endpoint.secret.reveal();
        let basic = || format!("Basic {}", STANDARD.encode(format!("{username}:{secret}")));
        let authorization = match (username.is_empty(), secret.is_empty()) {
            (true, true) => None,
            (true, false) => Some(format!("Bearer {secret}")),
            (false, _) => Some(basic()),
        };
        Ok(Self {
            client,
            url: endpoint.url.trim_end_matches('/').to_owned(),
            authorization,
            schemas: HashMap::new(),
        })
    }

    /// Checks that the registry responds, and accepts the credentials.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), RegistryError> {
        self.request("/schemas/types").map(drop)
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// The registry does not respond, or knows no such schema, or one that cannot be used.
    pub fn schema(&mut self, id: u32) -> Result<Arc<Schema>, DecodeError> {
        if let Some(known) = self.schemas.get(&id) {
            return known.clone().map_err(DecodeError::Rejected);
        }
        let fetched = match self.fetch(id) {
            Ok(schema) => Ok(Arc::new(schema)),
            Err(DecodeError::Rejected(why)) => Err(format!("schema {id}: {why}")),
            Err(unavailable) => return Err(unavailable),
        };
        if self.schemas.len() == MAX_SCHEMAS {
            self.schemas.clear();
        }
        self.schemas.insert(id, fetched.clone());
        fetched.map_err(DecodeError::Rejected)
    }

    fn fetch(&self, id: u32) -> Result<Schema, DecodeError> {
        let rejected = |error: SchemaError| DecodeError::Rejected(error.to_string());
        let unknown = || DecodeError::Rejected("the registry does not know it".to_owned());
        let stated = self.get(&format!("/schemas/ids/{id}"))?;
        let stated = stated.ok_or_else(unknown)?;
        let mut references = Vec::new();
        self.fetch_references(&stated, &mut references)?;
        let kind = SchemaKind::parse(stated.kind.as_deref()).map_err(rejected)?;
        Schema::parse(kind, &stated.schema, &references).map_err(rejected)
    }

    /// Adds the schemas that `stated` refers to, those that they refer to before them.
    fn fetch_references(
        &self,
        stated: &StatedSchema,
        found: &mut Vec<ReferencedSchema>,
    ) -> Result<(), DecodeError> {
        for StatedReference {
            name,
            subject,
            version,
        } in &stated.references
        {
            if found.iter().any(|known| known.name == *name) {
                continue;
            }
            if found.len() == MAX_REFERENCES {
                let why = format!("it refers to more than {MAX_REFERENCES} schemas");
                return Err(DecodeError::Rejected(why));
            }
            let subject: String = byte_serialize(subject.as_bytes()).collect();
            let subject = subject.replace('+', "%20");
            let reference = self.get(&format!("/subjects/{subject}/versions/{version}"))?;
            let reference = reference.ok_or_else(|| {
                let why = format!("the registry does not know `{name}`, to which it refers");
                DecodeError::Rejected(why)
            })?;
            // Its place is taken now, so that a cycle ends.
            let at = found.len();
            found.push(ReferencedSchema {
                name: name.clone(),
                text: reference.schema.clone(),
            });
            self.fetch_references(&reference, found)?;
            found[at..].rotate_left(1);
        }
        Ok(())
    }

    /// The schema at a path; `None` where there is nothing.
    fn get(&self, path: &str) -> Result<Option<StatedSchema>, RegistryError> {
        let Some(body) = self.request(path)? else {
            return Ok(None);
        };
        let stated = serde_json::from_slice(&body).map(Some);
        stated.map_err(|error| RegistryError::Unavailable {
            url: format!("{}{path}", self.url),
            why: error.to_string(),
        })
    }

    /// The body of the response to a path; `None` where there is nothing.
    fn request(&self, path: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let url = format!("{}{path}", self.url);
        let unavailable = |why: String| RegistryError::Unavailable {
            url: url.clone(),
            why,
        };
        let mut headers = vec![("accept", "application/vnd.schemaregistry.v1+json")];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization));
        }
        let response = self.client.send("GET", &url, &headers, b"");
        let response = response.map_err(|error| unavailable(error.to_string()))?;
        if response.status == 404 {
            return Ok(None);
        }
        if !response.is_success() {
            return Err(unavailable(response.summary()));
        }
        Ok(Some(response.body))
    }
}

/// Where the schemas of a topic come from.
#[derive(Debug)]
pub enum SchemaSource {
    /// One schema, whatever id a record states.
    File(Schema),
    /// The registry.
    Registry,
}

impl SchemaSource {
    /// As the settings of a topic say; `None` for records without a schema.
    ///
    /// # Errors
    /// The file cannot be read, or is no schema.
    pub fn open(encoding: &Encoding) -> Result<Option<Self>, RegistryError> {
        let path = match encoding {
            Encoding::Json => return Ok(None),
            Encoding::Registry => return Ok(Some(Self::Registry)),
            Encoding::File(path) => path,
        };
        let failed = |why: String| RegistryError::File {
            path: path.clone(),
            why,
        };
        let text = std::fs::read_to_string(path).map_err(|why| failed(why.to_string()))?;
        let schema = Schema::parse(SchemaKind::of_file(path), &text, &[]);
        Ok(Some(Self::File(
            schema.map_err(|why| failed(why.to_string()))?,
        )))
    }

    /// The JSON of a record.
    ///
    /// # Errors
    /// It is not framed, does not match its schema, or the registry does not respond.
    pub fn decode<'r>(
        &self,
        registry: Option<&mut SchemaRegistry>,
        record: &'r [u8],
    ) -> Result<Cow<'r, [u8]>, DecodeError> {
        let framed = parse_frame(record)?;
        let json = match self {
            Self::File(schema) => schema.to_json(framed.value),
            Self::Registry => {
                let without =
                    || DecodeError::Rejected("no schema registry is configured".to_owned());
                let registry = registry.ok_or_else(without)?;
                registry.schema(framed.schema_id)?.to_json(framed.value)
            }
        };
        Ok(json?)
    }
}
