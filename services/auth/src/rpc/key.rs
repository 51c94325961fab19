use kit::{Call, Error, Result};
use proto::auth::v1 as pb;

use super::Service;
use crate::{Secret, domain::key::KeyHash, store};

/// Tells another service what a key is good for.
pub async fn check(
    service: &Service,
    call: Call<pb::CheckKeyRequest>,
) -> Result<pb::CheckKeyResponse> {
    let now = service.suite.clock.now();
    let hash = KeyHash::of(&Secret::from(call.message.secret));

    let key = store::key::find(&mut service.db.read().await?, &hash).await?;
    let Some(key) = key.filter(|key| key.works(now)) else {
        return Err(Error::Unauthenticated("the key is not valid"));
    };

    Ok(pb::CheckKeyResponse {
        key_id: key.id.to_string(),
        name: key.name,
        equipment_ids: key.equipment_ids.iter().map(ToString::to_string).collect(),
        expires_at: key.expires_at.map(Into::into),
    })
}
