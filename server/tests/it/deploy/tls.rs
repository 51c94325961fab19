//! Mutual TLS between containers: the component of the manifests, and what docker-compose.yml is given besides.

use super::*;

#[test]
fn parts_find_each_other_and_their_certificates() {
    let component = documents("deploy/kubernetes/tls/kustomization.yaml").remove(0);
    let tls = documents("deploy/kubernetes/tls/settings.yaml").remove(0);
    let base = documents("deploy/kubernetes/settings.yaml").remove(0);
    let compose = documents("deploy/compose-tls.yml").remove(0);
    let shared: BTreeMap<_, _> = entries(&compose["x-tls"]).into_iter().collect();

    for part in ["auth", "equipment", "maintenance", "telemetry"] {
        let url = format!("FLIGHTLINE_{}_URL", part.to_uppercase());
        assert_eq!(text(&base["data"][url.as_str()]), format!("http://{part}:50051"));
        assert_eq!(text(&tls["data"][url.as_str()]), format!("https://{part}:50051"));
        assert_eq!(text(shared[url.as_str()]), format!("https://{part}:50051"));
    }
    for (setting, file) in [("CERTIFICATE", "tls.crt"), ("KEY", "tls.key"), ("AUTHORITY", "ca.crt")]
    {
        let setting = format!("FLIGHTLINE_GRPC_TLS_{setting}");
        assert_eq!(text(&tls["data"][setting.as_str()]), format!("/tls/{file}"));
        assert_eq!(text(shared[setting.as_str()]), format!("/tls/{file}"));
    }
    for part in ["auth", "equipment", "maintenance", "telemetry", "gateway"] {
        let of_part = |patch: &&Yaml| {
            let target = &patch["target"];
            target["kind"].as_str() == Some("Deployment") && target["name"].as_str() == Some(part)
        };
        let patch = list(&component["patches"]).iter().find(of_part).unwrap();
        let steps = YamlLoader::load_from_str(text(&patch["patch"])).unwrap();
        let volume = &steps[0][0]["value"][0];
        assert_eq!(text(&volume["name"]), "tls");
        assert_eq!(text(&volume["secret"]["secretName"]), format!("{part}-tls"));
        let volumes = list(&compose["services"][part]["volumes"]);
        assert_eq!(text(&volumes[0]), format!("./tls/{part}:/tls:ro"));
    }
    let patch = documents("deploy/kubernetes/tls/deployment.yaml").remove(0);
    let container = &patch["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(text(&container["name"]), "flightline");
    let mount = &list(&container["volumeMounts"])[0];
    assert_eq!((text(&mount["name"]), text(&mount["mountPath"])), ("tls", "/tls"));
    for probe in ["startupProbe", "readinessProbe"] {
        assert_eq!(text(&container[probe]["httpGet"]["port"]), "metrics");
        assert!(container[probe]["grpc"].is_null(), "{probe}");
    }
}
