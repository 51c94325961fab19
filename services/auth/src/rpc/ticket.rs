use kit::{Call, Error, Result, access::Role};
use proto::auth::v1 as pb;

use super::Service;
use crate::domain::token::TICKET_LIFE_SECONDS;

/// Gives the caller a ticket to one stream.
pub async fn create(
    service: &Service,
    call: Call<pb::CreateStreamTicketRequest>,
) -> Result<pb::StreamTicket> {
    let now = service.suite.clock.now();
    let path = &call.message.path;
    let path = path.strip_suffix('/').unwrap_or(path);
    let stream = proto::METHODS.iter().find(|method| method.watch == Some(path));
    let no_stream =
        || Error::invalid("path", "is not the path of a stream, such as /api/data/watch");
    let stream = stream.ok_or_else(no_stream)?;
    if !stream.door().any(|role| Role::from_name(role) == Some(call.caller.role)) {
        return Err(Error::Forbidden("your role may not read this stream"));
    }

    let ticket = service.signers.at(now).await?.ticket(&call.caller, stream.path, now)?;
    Ok(pb::StreamTicket { ticket: ticket.reveal().to_owned(), expires_in: TICKET_LIFE_SECONDS })
}
