//! What the gateway refuses to start with, because it could only serve it wrongly.

use gateway::{Config, Gateway};
use kit::peer::Place;
use tokio_util::sync::CancellationToken;

use crate::{protos, world::all};

fn complaint(signature: &str, options: &str) -> String {
    let descriptors = protos::with_method(signature, options);
    let peers = all(&Place::default());
    let gateway = Gateway::new(&descriptors, &peers, Config::default(), CancellationToken::new());
    format!("{:#}", gateway.err().expect("the gateway starts"))
}

const UNARY: &str = "(Request) returns (Answer)";

#[test]
fn a_stream_of_requests_over_http() {
    let rule = "option (google.api.http) = {post: \"/try\" body: \"*\"};";

    let complaint = complaint("(stream Request) returns (Answer)", rule);

    assert!(complaint.contains("flightline.equipment.v1.TryService.Try"), "{complaint}");
    assert!(complaint.contains("a stream of requests"), "{complaint}");
}

#[test]
fn rules_that_do_not_fit_their_method() {
    for (rule, why) in [
        ("{get: \"/try/{name}\"}", "{name} is not a field"),
        ("{get: \"/try/{things}\"}", "{things} is not a field"),
        ("{get: \"/try/{id=things/*}\"}", "not a plain segment"),
        ("{get: \"/try/\"}", "a segment is empty"),
        ("{post: \"/try\" body: \"thing\"}", "no field thing"),
        ("{post: \"/try\" body: \"id\"}", "not one message"),
        ("{get: \"/try\" response_body: \"id\"}", "response_body"),
        ("{custom: {kind: \"BREW\" path: \"/try\"}}", "without a verb"),
        ("{get: \"/healthz\"}", "leads to two methods"),
        ("{get: \"/try/{id}\" additional_bindings {get: \"/try/{id}\"}}", "leads to two methods"),
    ] {
        let complaint = complaint(UNARY, &format!("option (google.api.http) = {rule};"));
        assert!(complaint.contains(why), "{rule}: {complaint}");
    }
}

#[test]
fn a_success_that_is_no_status() {
    let options = "option (google.api.http) = {get: \"/try\"}; \
                   option (flightline.options.v1.http) = {success: 99};";

    assert!(complaint(UNARY, options).contains("invalid status code"));
}
