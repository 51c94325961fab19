use super::start;

testkit::both! {
    async fn every_method_lets_in_the_roles_of_its_rule_alone(world: World) {
        let server = start(&world).await;
        testkit::assert_access(&world, &server, "flightline.equipment.v1").await;
    }
}
