//! A machine sends of what its key is bound to, and of nothing else.

use kit::access::Role;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, CreateReadingRequest, ListReadingsRequest,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::{Code, service::Routes};

use super::{
    super::{Suite, temperature},
    NOBODY, list,
};

testkit::both! {
    async fn a_machine_may_not_send_of_equipment_that_its_key_is_not_bound_to(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let machine = suite.world.user(Role::Device);
        let mut client = TelemetryServiceClient::new(suite.telemetry.by(&machine));

        let reading = Some(temperature(&id, 0, 1.0));
        let alone = CreateReadingRequest { reading, ..Default::default() };
        let alone = client.create_reading(alone).await.unwrap_err();
        let batch = BatchCreateReadingsRequest {
            readings: vec![temperature(&id, 0, 1.0)],
            ..Default::default()
        };
        let batch = client.batch_create_readings(batch).await.unwrap().into_inner();

        assert_eq!(alone.code(), Code::PermissionDenied);
        assert_eq!((batch.accepted, batch.refused[0].field.as_str()), (0, "equipment_id"));
        assert!(list(&suite, ListReadingsRequest::default()).await.0.is_empty());
    }

    async fn for_equipment_that_a_key_is_not_bound_to_nobody_asks_the_register(world: World) {
        // Which is away.
        let mut routes = Routes::builder();
        let config = telemetry::Config::default();
        telemetry::start(&config, &world.db, &world.suite, &mut routes).await.unwrap();
        let telemetry = world.serve(routes.routes(), &world.places.telemetry).await;
        let by = |role| TelemetryServiceClient::new(telemetry.by(&world.user(role)));
        let readings = vec![temperature(NOBODY, 0, 1.0)];
        let batch = BatchCreateReadingsRequest { readings, ..Default::default() };

        let of_machine = by(Role::Device).batch_create_readings(batch.clone()).await.unwrap();
        let of_person = by(Role::Technician).batch_create_readings(batch).await.unwrap_err();

        let refused = &of_machine.get_ref().refused[0];
        assert_eq!(refused.message, "the key is not bound to this equipment");
        assert_eq!(of_person.code(), Code::Unavailable);
    }
}
