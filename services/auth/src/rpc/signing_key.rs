use kit::{Call, Error, Result};
use proto::auth::v1 as pb;

use super::{Service, guess};
use crate::{
    domain::{signing_key::SigningKeyId, token},
    store,
};

pub async fn list(
    service: &Service,
    _: Call<pb::ListPublicKeysRequest>,
) -> Result<pb::ListPublicKeysResponse> {
    let keys = store::signing_key::list_public(&mut service.db.read().await?).await?;
    Ok(pb::ListPublicKeysResponse { keys: keys.into_iter().map(wire).collect() })
}

pub async fn create_service_token(
    service: &Service,
    call: Call<pb::CreateServiceTokenRequest>,
) -> Result<pb::ServiceToken> {
    let pb::CreateServiceTokenRequest { service: name, secret } = call.message;
    // A certificate says who somebody is; the secret, no more than that they belong to us.
    let proved = &call.caller.names;
    if !proved.is_empty() && !proved.contains(&name) {
        return Err(Error::Unauthenticated("the certificate is another part's"));
    }
    let now = service.suite.clock.now();
    if proved.is_empty() {
        let address = &call.caller.address;
        service.secrets.take(address, now).map_err(|throttled| throttled.error)?;
        if !service.secret.equals(&secret.into()) {
            tracing::warn!(service = name, address, "a service's secret was wrong");
            // Whoever is wrong is told so, whether or not the trail can be written.
            if let Err(error) = guess::note_refused(service, &call.caller, &name, now).await {
                tracing::warn!(%error, "a refused service is not in the audit trail");
            }
            return Err(Error::Unauthenticated("the secret is wrong"));
        }
        service.secrets.give_back(address);
    }
    let access = service.signers.at(now).await?.service(&name, now)?;
    Ok(pb::ServiceToken { access: access.reveal().to_owned(), expires_in: token::LIFE_SECONDS })
}

fn wire((id, public): (SigningKeyId, String)) -> pb::PublicKey {
    pb::PublicKey {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: public,
        kid: id.to_string(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}
