//! Counts the passwords that are tried, before they are looked at.

use kit::{Result, Timestamp, db::Tx};

use super::Service;
use crate::{
    domain::{guess::Guesses, user::UserId},
    store,
};

/// A password that is being tried.
pub struct Guess<'a> {
    service: &'a Service,
    name: String,
    address: String,
}

/// Counts a try for `account`, which may be somebody's or nobody's, from `address`.
///
/// # Errors
///
/// Too many were tried there lately.
pub async fn count<'a>(
    service: &'a Service,
    account: &str,
    address: &str,
    now: Timestamp,
) -> Result<Guess<'a>> {
    let mut db = service.db.read().await?;
    let name = name(service, account, known(&mut db, account, address).await?);
    // Looked at before the transaction, so that those who must wait keep nobody from writing.
    store::guess::find(&mut db, &name).await?.map_or(Ok(()), |guesses| guesses.check(now))?;
    drop(db);
    service.addresses.take(address, now)?;

    let mut tx = service.db.begin("count guess").await?;
    let mut guesses = store::guess::lock(&mut tx, &name, &Guesses::none(now)).await?;
    guesses.count(now)?;
    store::guess::update(&mut tx, &name, &guesses).await?;
    tx.commit().await?;

    Ok(Guess { service, name, address: address.to_owned() })
}

impl Guess<'_> {
    /// It was no guess: it was right.
    pub async fn was_right(&self, tx: &mut Tx) -> Result<()> {
        self.service.addresses.give_back(&self.address);
        store::guess::delete(tx, &self.name).await
    }
}

/// Forgets the guesses for `account`, from wherever its owner was not known.
pub async fn forget(service: &Service, tx: &mut Tx, account: &str) -> Result<()> {
    store::guess::delete(tx, &name(service, account, None)).await
}

/// `address`, if the owner of `account` has logged in from there: strangers elsewhere don't keep them out.
async fn known<'a>(
    db: &mut kit::db::Conn,
    account: &str,
    address: &'a str,
) -> Result<Option<&'a str>> {
    // Nobody's account is looked up all the same, so that it takes as long.
    let user_id = UserId::parse("account", account).unwrap_or_else(|_| UserId::new());
    let known = store::session::came_from(db, user_id, address).await?;
    Ok((known && !address.is_empty()).then_some(address))
}

fn name(service: &Service, account: &str, address: Option<&str>) -> String {
    service.chain_key.blind(&format!("guess {account} {}", address.unwrap_or_default()))
}
