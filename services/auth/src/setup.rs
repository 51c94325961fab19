//! What is made at the first start: the keys, which all replicas share through the database. The one that refresh
//! tokens are derived with stays; those that access tokens are signed with follow one another.

use std::{sync::Arc, time::Duration};

use kit::{Clock, Db, Result, Timestamp, db::Tx};
use tokio::sync::RwLock;

use crate::{
    domain::{
        secret::Secret,
        session::ChainKey,
        signing_key::{SigningKey, current, outdated, successor_from},
        token::Signer,
    },
    store,
};

/// The name of the secret that refresh tokens are derived with.
const CHAIN_KEY: &str = "refresh_token_chain";

/// What tokens are made with.
pub struct Keys {
    pub signers: Signers,
    pub chain_key: ChainKey,
}

/// Reads the keys; makes them, if there are none. A key signs for `term`.
pub async fn keys(db: &Db, clock: &Clock, term: Duration) -> Result<Keys> {
    let now = clock.now();
    let mut tx = db.begin("read or make keys").await?;
    store::signing_key::lock_all(&mut tx).await?;
    let signing_keys = rotate(&mut tx, now, term).await?;
    let chain_key = chain_key(&mut tx).await?;
    tx.commit().await?;

    let signers = Signers { db: db.clone(), term, keys: RwLock::new(signers(&signing_keys)?) };
    Ok(Keys { signers, chain_key: ChainKey::read(&chain_key)? })
}

/// Signs with whichever key it is the turn of.
pub struct Signers {
    db: Db,
    /// How long each key signs.
    term: Duration,
    /// Oldest first.
    keys: RwLock<Vec<Turn>>,
}

struct Turn {
    active_from: Timestamp,
    signer: Arc<Signer>,
}

impl Signers {
    /// Who signs at `now`. Makes the next key when the last one's turn has come: it is then published for a whole term
    /// before it signs, so that no verifier meets a key that it can't know.
    pub async fn at(&self, now: Timestamp) -> Result<Arc<Signer>> {
        if let (Some(signer), true) = turn(&self.keys.read().await, now) {
            return Ok(signer);
        }
        let mut keys = self.keys.write().await;
        // Another call may have been faster.
        let (signer, has_successor) = turn(&keys, now);
        if let (Some(signer), true) = (&signer, has_successor) {
            return Ok(Arc::clone(signer));
        }
        match (self.renew(now).await, signer) {
            (Ok(renewed), before) => {
                *keys = renewed;
                let none = || anyhow::anyhow!("no key signs yet: the clock went back").into();
                turn(&keys, now).0.or(before).ok_or_else(none)
            }
            // The next call tries again; nobody needs to wait for it.
            (Err(error), Some(signer)) => {
                tracing::warn!(%error, "could not make the next signing key");
                Ok(signer)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn renew(&self, now: Timestamp) -> Result<Vec<Turn>> {
        let mut tx = self.db.begin("rotate signing keys").await?;
        store::signing_key::lock_all(&mut tx).await?;
        let keys = rotate(&mut tx, now, self.term).await?;
        tx.commit().await?;
        signers(&keys)
    }
}

/// Whose turn it is at `now`, and whether somebody comes after.
fn turn(keys: &[Turn], now: Timestamp) -> (Option<Arc<Signer>>, bool) {
    let current = keys.iter().rposition(|key| key.active_from <= now);
    let signer = current.map(|index| Arc::clone(&keys[index].signer));
    (signer, current.is_some_and(|index| index + 1 < keys.len()))
}

fn signers(keys: &[SigningKey]) -> Result<Vec<Turn>> {
    keys.iter()
        .map(|key| Ok(Turn { active_from: key.active_from, signer: Arc::new(Signer::new(key)?) }))
        .collect()
}

/// Sees to it that there are a current key and a next one, and none before the previous; answers them, oldest first.
async fn rotate(tx: &mut Tx, now: Timestamp, term: Duration) -> Result<Vec<SigningKey>> {
    let mut keys = store::signing_key::list(tx).await?;
    if current(&keys, now).is_none() {
        let first = SigningKey::generate(now, now)?;
        store::signing_key::insert(tx, &first).await?;
        keys.insert(0, first);
    }
    if let Some(active_from) = successor_from(&keys, now, term) {
        let next = SigningKey::generate(now, active_from)?;
        store::signing_key::insert(tx, &next).await?;
        keys.push(next);
    }
    for key in keys.drain(..outdated(&keys, now)) {
        store::signing_key::delete(tx, key.id).await?;
    }
    Ok(keys)
}

async fn chain_key(tx: &mut Tx) -> Result<Secret> {
    if let Some(secret) = store::secret::find(tx, CHAIN_KEY).await? {
        return Ok(secret);
    }
    let secret = Secret::random()?;
    store::secret::insert(tx, CHAIN_KEY, &secret).await?;
    Ok(secret)
}
