//! What people know equipment and each other by.

use std::collections::HashMap;

use kit::peer::Peer;
use proto::{
    auth::v1::{ListUsersRequest, user_service_client::UserServiceClient},
    equipment::v1::{
        Equipment, ListEquipmentRequest, equipment_service_client::EquipmentServiceClient,
    },
};
use tonic::Status;

use crate::session::Session;

/// A page has as many bytes as its rows: people write long notes.
pub const LARGEST: usize = usize::MAX;
const PAGE: i32 = 1000;

/// All equipment and everybody, as they are when it is loaded.
#[derive(Default)]
pub struct Names {
    equipment: HashMap<String, Equipment>,
    ids_of_equipment: HashMap<String, String>,
    people: HashMap<String, String>,
    /// By username and by id, of those who have not gone.
    ids_of_people: HashMap<String, String>,
}

impl Names {
    /// Asks the suite at `server`.
    ///
    /// # Errors
    ///
    /// It is away or refuses.
    pub async fn load(session: &mut Session, server: &Peer) -> Result<Self, Status> {
        Self::load_from(session, server, server).await
    }

    /// Asks the register and auth, each for its own.
    ///
    /// # Errors
    ///
    /// One is away or refuses.
    pub async fn load_from(
        session: &mut Session,
        register: &Peer,
        auth: &Peer,
    ) -> Result<Self, Status> {
        let mut names = Self::default();
        let mut client =
            EquipmentServiceClient::new(register.clone()).max_decoding_message_size(LARGEST);
        let mut message =
            ListEquipmentRequest { page_size: PAGE, show_deleted: true, ..Default::default() };
        loop {
            let request = session.request(message.clone()).await?;
            let page = client.list_equipment(request).await?.into_inner();
            page.equipment.into_iter().for_each(|equipment| names.add(equipment));
            if page.next_page_token.is_empty() {
                break;
            }
            message.page_token = page.next_page_token;
        }
        names.load_people(session, auth).await?;
        Ok(names)
    }

    async fn load_people(&mut self, session: &mut Session, auth: &Peer) -> Result<(), Status> {
        let mut client = UserServiceClient::new(auth.clone()).max_decoding_message_size(LARGEST);
        let mut message =
            ListUsersRequest { page_size: PAGE, show_deleted: true, ..Default::default() };
        loop {
            let request = session.request(message.clone()).await?;
            let page = client.list_users(request).await?.into_inner();
            for user in page.users {
                // History keeps the names of those who have gone.
                if user.deleted_at.is_none() {
                    self.ids_of_people.insert(user.username.to_lowercase(), user.id.clone());
                    self.ids_of_people.insert(user.id.clone(), user.id.clone());
                }
                self.people.insert(user.id, user.username);
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            message.page_token = page.next_page_token;
        }
    }

    fn add(&mut self, equipment: Equipment) {
        if !equipment.serial_number.is_empty() {
            let number = equipment.serial_number.clone();
            self.ids_of_equipment.insert(number, equipment.id.clone());
        }
        self.equipment.insert(equipment.id.clone(), equipment);
    }

    /// The equipment with that id or serial number.
    pub fn equipment(&self, text: &str) -> Option<&Equipment> {
        let by_id = self.equipment.get(&text.to_lowercase());
        by_id.or_else(|| self.equipment_numbered(text))
    }

    /// Whether there is equipment with that id.
    pub fn is_registered(&self, id: &str) -> bool {
        self.equipment.contains_key(&id.to_lowercase())
    }

    pub fn equipment_numbered(&self, serial_number: &str) -> Option<&Equipment> {
        self.ids_of_equipment.get(serial_number).and_then(|id| self.equipment.get(id))
    }

    /// The id of who has that id or username, and has not gone.
    pub fn person(&self, text: &str) -> Option<&str> {
        self.ids_of_people.get(&text.to_lowercase()).map(String::as_str)
    }

    /// The serial number of that equipment; its id, if it has none.
    pub fn of_equipment(&self, id: &str) -> String {
        let equipment = self.equipment.get(id);
        let number = equipment.map(|equipment| &equipment.serial_number);
        number.filter(|number| !number.is_empty()).map_or_else(|| id.to_owned(), Clone::clone)
    }

    /// The username of that person; the id, if there is none.
    pub fn of_person(&self, id: &str) -> String {
        self.people.get(id).map_or_else(|| id.to_owned(), Clone::clone)
    }
}
