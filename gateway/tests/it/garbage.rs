//! Whatever comes in, nothing breaks.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::world::{World, json as with_json};

/// JSON of any shape whose keys are often right.
fn some_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "-?[0-9]{1,25}(\\.[0-9]{1,12})?s?".prop_map(Value::from),
        "[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?Z"
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => "(name|serialNumber|weight|kind|tags|limits|owner|email|parts|made_at|pause|blob|note)",
        1 => any::<String>(),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|map: BTreeMap<String, Value>| json!(map)),
        ]
    })
}

/// A client of one gateway, for many requests.
struct Client {
    runtime: Runtime,
    world: World,
}

impl Client {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, world: World::trial(|_| json!({})) }
    }

    fn status(&self, request: Request<Full<Bytes>>) -> u16 {
        self.runtime.block_on(self.world.send(request)).status.as_u16()
    }
}

#[test]
fn any_json_is_taken_or_refused() {
    let client = Client::new();
    proptest!(|(body in some_json())| {
        let request = with_json(Method::POST, "/trial/things", body.to_string());
        let status = client.status(request);
        prop_assert!([201, 400].contains(&status), "{status}");
    });
}

#[test]
fn any_bytes_are_taken_or_refused() {
    let client = Client::new();
    proptest!(|(body in any::<Vec<u8>>())| {
        let status = client.status(with_json(Method::PATCH, "/trial/things/7", body));
        prop_assert!([200, 400].contains(&status), "{status}");
    });
}

#[test]
fn any_path_leads_somewhere_or_nowhere() {
    let client = Client::new();
    let path = "/(trial/things/)?[ -~]{0,30}";
    let query = "(\\?(q|since|age|kind|owner.email|[a-z.]{1,9})=[ -~]{0,20})?";
    proptest!(|(path in path, query in query)| {
        let address = format!("{path}{query}");
        prop_assume!(address.parse::<Uri>().is_ok());
        let status = client.status(Request::get(address).body(Full::default()).unwrap());
        prop_assert!([200, 400, 404].contains(&status), "{status}");
    });
}
