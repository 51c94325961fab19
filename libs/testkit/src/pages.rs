//! Pages through every list of a service while rows are added to it.

use std::collections::HashSet;

use kit::{access::Role, codec::BytesCodec};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value, prost::Message};
use tonic::{Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};

use crate::{Server, World};

/// How many rows a list has before it is paged through, and how many are added meanwhile.
const BEFORE: usize = 7;
const MEANWHILE: usize = 4;

/// Checks of every list of `package`, in every order that it can be asked for, that nothing is shown twice and that what was there
/// all the time is shown, in order, while rows are added between the pages. `of` are the values of the fields by which a
/// request says of what it wants the list (`task_id`); `add` adds a row to what the method of that name lists, and changes no
/// other that this one lists.
///
/// # Panics
///
/// Something was shown twice, not at all, or out of order.
pub async fn assert_pages(
    world: &World,
    server: &Server,
    package: &str,
    of: &[(&str, &str)],
    add: impl AsyncFn(&str),
) {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let services = pool.services().filter(|service| service.package_name() == package);
    let methods: Vec<_> =
        services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    let lists = methods.into_iter().filter(|method| {
        let has = |name| method.input().get_field_by_name(name).is_some();
        has("page_size") && has("page_token")
    });
    let mut count = 0;
    for method in lists {
        let list = List { world, server, method: &method, of };
        for _ in 0..BEFORE {
            add(method.name()).await;
        }
        for (number, order_by) in list.orders().await.iter().enumerate() {
            let page_size = [2, 3, 1][number % 3];
            list.assert_pages(order_by, page_size, &add).await;
        }
        count += 1;
    }
    assert_ne!(count, 0, "{package} has lists");
}

/// One list of a service.
struct List<'a> {
    world: &'a World,
    server: &'a Server,
    method: &'a MethodDescriptor,
    of: &'a [(&'a str, &'a str)],
}

impl List<'_> {
    async fn assert_pages(&self, order_by: &str, page_size: i32, add: impl AsyncFn(&str)) {
        let name = format!("{} by {order_by:?}, {page_size} a page", self.method.full_name());
        let (before, end) = self.page(order_by, 1000, "").await.unwrap();
        assert!(before.len() >= BEFORE && end.is_empty(), "{name}: {before:?}");

        let (mut seen, mut token, mut added) = (Vec::new(), String::new(), 0);
        loop {
            let (ids, next) = self.page(order_by, page_size, &token).await.unwrap();
            seen.extend(ids);
            assert!(seen.len() < 1000, "{name}: pages without end");
            if next.is_empty() {
                break;
            }
            token = next;
            if added < MEANWHILE {
                add(self.method.name()).await;
                added += 1;
            }
        }

        let once: HashSet<_> = seen.iter().collect();
        assert_eq!(once.len(), seen.len(), "{name}: shown twice in {seen:?}");
        seen.retain(|id| before.contains(id));
        assert_eq!(seen, before, "{name}: lost, or out of order");
    }

    /// What it can be ordered by, in both directions; its own order, too.
    async fn orders(&self) -> Vec<String> {
        let mut orders = vec![String::new()];
        if self.method.input().get_field_by_name("order_by").is_some() {
            let refused = self.page("no such order", 1, "").await.unwrap_err();
            let named = refused.message().split_once("must be one of ").unwrap().1;
            orders.extend(named.split(", ").map(str::to_owned));
        }
        orders
    }

    /// The ids on a page, and the token of the next.
    async fn page(
        &self,
        order_by: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<String>, String), Status> {
        let mut request = DynamicMessage::new(self.method.input());
        request.set_field_by_name("page_size", Value::I32(page_size));
        request.set_field_by_name("page_token", Value::String(page_token.to_owned()));
        if !order_by.is_empty() {
            request.set_field_by_name("order_by", Value::String(order_by.to_owned()));
        }
        for (name, value) in self.of {
            // What may be left out is a filter.
            let field = self.method.input().get_field_by_name(name);
            if field.is_some_and(|field| !field.supports_presence()) {
                request.set_field_by_name(name, Value::String((*value).to_owned()));
            }
        }
        let answer = self.call(request).await?;
        let rows = answer.fields().find_map(|(_, value)| value.as_list().map(<[_]>::to_vec));
        let id = |row: &Value| {
            let row = row.as_message().unwrap();
            row.get_field_by_name("id").unwrap().as_str().unwrap().to_owned()
        };
        let token = answer.get_field_by_name("next_page_token").unwrap();
        let token = token.as_str().unwrap().to_owned();
        Ok((rows.unwrap_or_default().iter().map(id).collect(), token))
    }

    async fn call(&self, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        let admin = self.world.user(Role::Admin);
        let mut client = Grpc::new(self.server.by(&admin));
        client.ready().await.unwrap();
        let path = format!("/{}/{}", self.method.parent_service().full_name(), self.method.name());
        let path: PathAndQuery = path.parse().unwrap();
        let request = Request::new(request.encode_to_vec().into());
        let answer = client.unary(request, path, BytesCodec).await?.into_inner();
        Ok(DynamicMessage::decode(self.method.output(), answer).unwrap())
    }
}
