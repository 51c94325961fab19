use super::Suite;

testkit::both! {
    async fn every_method_lets_in_the_roles_of_its_rule_alone(world: World) {
        let suite = Suite::start(world).await;
        testkit::assert_access(&suite.world, &suite.telemetry, "flightline.telemetry.v1").await;
    }
}
