//! Lists in the order that the caller asks for (AIP-132 `order_by`), paged by (value, id).
//!
//! A list has a table of the fields that it can be ordered by; an index on (`sql`, id) serves a field in both directions, since
//! ids follow the direction of the values. It is a column, never an expression: SQLite finds no place in an index of those, and
//! reads all that lies before a page. What is absent is ordered like any other value: the column says which one stands for it.
//! Without `order_by` a list is ordered by id alone, which is by age.
//!
//! ```text
//! pub const ORDERS: &[Field<Pump>] = &[
//!     Field { name: "name", sql: "name", value: By::Text(|pump| pump.name.clone()) },
//!     Field { name: "due_date", sql: "due_day", value: By::Text(|pump| …) },
//! ];
//!
//! let page = kit::ordered_page!(service.db, request, store::pump::ORDERS)?;
//! let rows = store::pump::list(&mut db, &filter, &page).await?;    // ends with kit::push_page!(query, page)
//! let (rows, next_page_token) = page.cut(rows, |pump| pump.id, pb::Pump::from)?;
//! ```

use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Page, Result, seal::Seal};

/// Something that a list of `T` can be ordered by.
#[derive(Debug)]
pub struct Field<T: 'static> {
    /// As `order_by` has it.
    pub name: &'static str,
    /// The column that has it, which is never null.
    pub sql: &'static str,
    /// What that column holds in a row.
    pub value: By<T>,
}

/// How a field is compared: text by its bytes, alike on both engines.
#[derive(Debug)]
pub enum By<T> {
    /// As text.
    Text(fn(&T) -> String),
    /// As a number.
    Number(fn(&T) -> i64),
}

/// The value that a list is ordered by, of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
}

/// Where a row stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place<K> {
    /// Absent where the list is ordered by id alone.
    pub value: Option<Value>,
    /// The row's own.
    pub id: K,
}

/// One page of a list of `T`s with ids `K`, in the order that was asked for.
#[derive(Debug)]
pub struct OrderedPage<T: 'static, K> {
    field: Option<&'static Field<T>>,
    descending: bool,
    page: Page<Place<K>>,
}

/// Reads which page of an ordered list is asked for, as [`page!`](crate::page!) does, and its `order_by`, which stays part of
/// what the next page's token is good for. A list whose order follows from its filter names the order itself.
#[macro_export]
macro_rules! ordered_page {
    ($db:expr, $request:expr, $fields:expr) => {
        $crate::ordered_page!($db, $request, $fields, &$request.order_by)
    };
    ($db:expr, $request:expr, $fields:expr, $order_by:expr) => {{
        let size = std::mem::take(&mut $request.page_size);
        let token = std::mem::take(&mut $request.page_token);
        let (seal, order_by) = ($db.seal(), $order_by);
        $crate::order::OrderedPage::parse(seal, $fields, order_by, size, &token, &$request)
    }};
}

/// Ends the query of an ordered list, which has a `where` by now: what comes after the page before, in order, and no more
/// than the page holds. Of rows that are all alike in a column, `lead` names it with its value: in the order of their ids a
/// page then begins at its place in the index on (that column, id), which `where` alone does not make PostgreSQL take: it may
/// go to the id among all rows, and walk past those of others.
#[macro_export]
macro_rules! push_page {
    ($query:expr, $page:expr) => {
        $crate::push_page!($query, $page, None)
    };
    ($query:expr, $page:expr, $lead:expr) => {{
        if let Some((condition, value, id)) = $page.after($lead) {
            $query.push(condition);
            match value {
                Some($crate::order::Value::Number(value)) => {
                    $query.push_bind(value).push(", ");
                }
                Some($crate::order::Value::Text(value)) => {
                    $query.push_bind(value).push(", ");
                }
                None => {}
            }
            $query.push_bind(id).push(")");
        }
        $query.push($page.order_by()).push(" limit ").push_bind($page.limit());
    }};
}

impl<T, K: Copy + Serialize + DeserializeOwned> OrderedPage<T, K> {
    /// Reads what a list request asks for. `filter` is the request without `page_size` and `page_token`.
    ///
    /// # Errors
    ///
    /// The list isn't ordered by that, or the token is not one of ours or was made for another filter or order.
    pub fn parse(
        seal: &Seal,
        fields: &'static [Field<T>],
        order_by: &str,
        size: i32,
        token: &str,
        filter: &impl Message,
    ) -> Result<Self> {
        let (field, descending) = parse_order(fields, order_by)?;
        let page: Page<Place<K>> = Page::parse(seal, size, token, filter)?;
        let value = page.after.as_ref().map(|place| &place.value);
        let fits = value.is_none_or(|value| match (field.map(|field| &field.value), value) {
            (None, value) => value.is_none(),
            (Some(By::Text(_)), value) => matches!(value, Some(Value::Text(_))),
            (Some(By::Number(_)), value) => matches!(value, Some(Value::Number(_))),
        });
        if !fits {
            return Err(Error::invalid("page_token", "is not a page token of this list"));
        }
        Ok(Self { field, descending, page })
    }

    /// Cuts `rows` to the page: see [`Page::cut`].
    pub fn cut<M: Message>(
        &self,
        rows: Vec<T>,
        id: impl Fn(&T) -> K,
        wire: impl Fn(T) -> M,
    ) -> Result<(Vec<M>, String)> {
        let place = |row: &T| {
            let value = self.field.map(|field| match field.value {
                By::Text(value) => Value::Text(value(row)),
                By::Number(value) => Value::Number(value(row)),
            });
            Place { value, id: id(row) }
        };
        self.page.cut(rows, place, wire)
    }

    /// How many rows to fetch: one more than the page holds tells whether there is another.
    pub fn limit(&self) -> i64 {
        self.page.limit()
    }

    /// For [`push_page!`](crate::push_page!): the condition, up to the values, and those of the page before's last place.
    #[doc(hidden)]
    pub fn after(&self, lead: Option<(&str, String)>) -> Option<(String, Option<Value>, K)> {
        let place = self.page.after.as_ref()?;
        let (column, value) = match (self.field, lead) {
            (Some(field), _) => (Some(field.sql), place.value.clone()),
            (None, Some((column, value))) => (Some(column), Some(Value::Text(value))),
            (None, None) => (None, None),
        };
        let columns = column.map(|column| format!("{column}, ")).unwrap_or_default();
        let comparison = if self.descending { "<" } else { ">" };
        Some((format!(" and ({columns}id) {comparison} ("), value, place.id))
    }

    /// For [`push_page!`](crate::push_page!).
    #[doc(hidden)]
    pub fn order_by(&self) -> String {
        let direction = if self.descending { " desc" } else { "" };
        let value = self.field.map(|field| format!("{}{direction}, ", field.sql));
        format!(" order by {}id{direction}", value.unwrap_or_default())
    }
}

/// A field, and whether ` desc` follows it; nothing of the kind if the caller doesn't mind.
fn parse_order<T>(
    fields: &'static [Field<T>],
    order_by: &str,
) -> Result<(Option<&'static Field<T>>, bool)> {
    let words: Vec<&str> = order_by.split_ascii_whitespace().collect();
    let (name, descending) = match words[..] {
        [] => return Ok((None, false)),
        [name] => (name, false),
        [name, "desc"] => (name, true),
        _ => ("", false),
    };
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let names = names.join(", ");
        let problem = format!("must be one of {names}, alone or followed by desc");
        return Err(Error::invalid("order_by", problem));
    };
    Ok((Some(field), descending))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Row(&'static str, i64);

    const ROWS: [Row; 6] =
        [Row("b", 1), Row("", 2), Row("a", 3), Row("b", 4), Row("b", 5), Row("", 6)];
    const FIELDS: &[Field<Row>] = &[
        Field { name: "name", sql: "name", value: By::Text(|row| row.0.to_owned()) },
        Field { name: "size", sql: "size", value: By::Number(|row| -row.1) },
    ];

    static SEAL: LazyLock<Seal> = LazyLock::new(Seal::random);

    fn page(order_by: &str, token: &str) -> Result<OrderedPage<Row, i64>> {
        OrderedPage::parse(&SEAL, FIELDS, order_by, 2, token, &order_by.to_owned())
    }

    /// What a database answers.
    fn rows(page: &OrderedPage<Row, i64>) -> Vec<Row> {
        let place = |row: &Row| match page.field.map(|field| &field.value) {
            Some(By::Text(value)) => (value(row), 0, row.1),
            Some(By::Number(value)) => (String::new(), value(row), row.1),
            None => (String::new(), 0, row.1),
        };
        let after = page.page.after.as_ref().map(|after| match &after.value {
            Some(Value::Text(value)) => (value.clone(), 0, after.id),
            Some(Value::Number(value)) => (String::new(), *value, after.id),
            None => (String::new(), 0, after.id),
        });
        let mut rows = ROWS.to_vec();
        rows.sort_by_key(place);
        if page.descending {
            rows.reverse();
        }
        rows.retain(|row| match &after {
            None => true,
            Some(after) if page.descending => place(row) < *after,
            Some(after) => place(row) > *after,
        });
        rows.truncate(usize::try_from(page.limit()).unwrap());
        rows
    }

    #[test]
    fn pages_join_without_gap_or_overlap_in_every_order() {
        for (order_by, ids) in [
            ("", [1, 2, 3, 4, 5, 6]),
            ("name", [2, 6, 3, 1, 4, 5]),
            ("name desc", [5, 4, 1, 3, 6, 2]),
            ("  size  ", [6, 5, 4, 3, 2, 1]),
            ("size desc", [1, 2, 3, 4, 5, 6]),
        ] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let page = page(order_by, &token).unwrap();
                let (rows, next) = page.cut(rows(&page), |row| row.1, |row| row.1).unwrap();
                seen.extend(rows);
                if next.is_empty() {
                    break;
                }
                token = next;
            }
            assert_eq!(seen, ids, "{order_by}");
        }
    }

    #[test]
    fn the_query_compares_as_it_orders() {
        for (order_by, condition, order) in [
            ("", " and (id) > (", " order by id"),
            ("name", " and (name, id) > (", " order by name, id"),
            ("name desc", " and (name, id) < (", " order by name desc, id desc"),
        ] {
            let first = page(order_by, "").unwrap();
            let (_, token) = first.cut(ROWS.to_vec(), |row| row.1, |row| row.1).unwrap();
            let second = page(order_by, &token).unwrap();

            assert!(first.after(None).is_none());
            assert_eq!(second.after(None).unwrap().0, condition);
            assert_eq!(second.order_by(), order);
        }
    }

    #[test]
    fn what_all_rows_have_leads_the_place_of_ids_alone() {
        let second = |order_by: &str| {
            let first = page(order_by, "").unwrap();
            let (_, token) = first.cut(ROWS.to_vec(), |row| row.1, |row| row.1).unwrap();
            page(order_by, &token).unwrap()
        };
        let lead = || Some(("type", "pump".to_owned()));
        let text = |text: &str| Some(Value::Text(text.into()));

        assert!(page("", "").unwrap().after(lead()).is_none());
        assert_eq!(second("").after(lead()), Some((" and (type, id) > (".into(), text("pump"), 2)));
        assert_eq!(second("name").after(lead()), Some((" and (name, id) > (".into(), text(""), 2)));
    }

    #[test]
    fn what_is_no_order_of_the_list_is_refused() {
        for order_by in ["id", "name asc", "name, size", "name desc desc", "desc", "NAME"] {
            let error = page(order_by, "").unwrap_err();
            assert!(matches!(error, Error::Invalid { field, .. } if field == "order_by"));
        }
    }

    #[test]
    fn a_token_whose_value_is_of_another_kind_is_refused() {
        let page = |order_by: &str, token: &str| {
            OrderedPage::<Row, i64>::parse(&SEAL, FIELDS, order_by, 2, token, &String::new())
        };
        let token = |order_by: &str| {
            page(order_by, "").unwrap().cut(ROWS.to_vec(), |row| row.1, |row| row.1).unwrap().1
        };
        for (made_for, used_for) in [("name", "size"), ("size", "name"), ("", "name"), ("name", "")]
        {
            assert!(page(used_for, &token(made_for)).is_err(), "{made_for} for {used_for}");
        }
    }
}
