//! What is made at the first start and then stays: the keys, which all replicas share through the database.

use kit::{Clock, Db, Result, db::Tx};

use crate::{
    domain::{secret::Secret, session::ChainKey, signing_key::SigningKey, token::Signer},
    store,
};

/// The name of the secret that refresh tokens are derived with.
const CHAIN_KEY: &str = "refresh_token_chain";

/// What tokens are made with.
pub struct Keys {
    pub signer: Signer,
    pub chain_key: ChainKey,
}

/// Reads the keys; makes them, if there are none.
pub async fn keys(db: &Db, clock: &Clock) -> Result<Keys> {
    let mut tx = db.begin("read or make keys").await?;
    store::signing_key::lock_all(&mut tx).await?;
    let signing_key = signing_key(&mut tx, clock).await?;
    let chain_key = chain_key(&mut tx).await?;
    tx.commit().await?;

    Ok(Keys { signer: Signer::new(&signing_key)?, chain_key: ChainKey::read(&chain_key)? })
}

async fn signing_key(tx: &mut Tx, clock: &Clock) -> Result<SigningKey> {
    if let Some(newest) = store::signing_key::list(tx).await?.pop() {
        return Ok(newest);
    }
    let key = SigningKey::generate(clock.now())?;
    store::signing_key::insert(tx, &key).await?;
    Ok(key)
}

async fn chain_key(tx: &mut Tx) -> Result<Secret> {
    if let Some(secret) = store::secret::find(tx, CHAIN_KEY).await? {
        return Ok(secret);
    }
    let secret = Secret::random()?;
    store::secret::insert(tx, CHAIN_KEY, &secret).await?;
    Ok(secret)
}
