//! The manifests: a name that is misspelt in one of them is found by no schema.

use super::*;

const FOLDER: &str = "deploy/kubernetes";

fn kustomization() -> Yaml {
    documents(format!("{FOLDER}/kustomization.yaml")).remove(0)
}

/// What is laid together.
fn manifests() -> Vec<Yaml> {
    let kustomization = kustomization();
    let resources = list(&kustomization["resources"]).iter().map(text);
    resources.flat_map(|file| documents(format!("{FOLDER}/{file}"))).collect()
}

fn of_kind<'a>(kind: &str, manifests: &'a [Yaml]) -> Vec<&'a Yaml> {
    let found: Vec<_> = manifests.iter().filter(|it| it["kind"].as_str() == Some(kind)).collect();
    assert_ne!(found.len(), 0, "{kind}");
    found
}

/// What makes pods.
fn workloads(manifests: &[Yaml]) -> Vec<&Yaml> {
    [of_kind("Deployment", manifests), of_kind("Job", manifests)].concat()
}

fn name(manifest: &Yaml) -> &str {
    text(&manifest["metadata"]["name"])
}

fn container(workload: &Yaml) -> &Yaml {
    let containers = list(&workload["spec"]["template"]["spec"]["containers"]);
    assert_eq!(containers.len(), 1, "{}", name(workload));
    &containers[0]
}

/// The workloads whose pods bear what `selector` wants.
fn selected<'a>(selector: &Yaml, manifests: &'a [Yaml]) -> Vec<&'a Yaml> {
    let bears = |labels: &Yaml| {
        let has = |(key, value): &(&str, &Yaml)| labels[*key] == **value;
        let is_in = |expression: &Yaml| {
            assert_eq!(expression["operator"].as_str(), Some("In"));
            list(&expression["values"]).contains(&labels[text(&expression["key"])])
        };
        let expressions = selector["matchExpressions"].as_vec();
        entries(&selector["matchLabels"]).iter().all(has)
            && expressions.is_none_or(|all| all.iter().all(is_in))
    };
    let workloads = workloads(manifests).into_iter();
    workloads.filter(|it| bears(&it["spec"]["template"]["metadata"]["labels"])).collect()
}

fn names<'a>(manifests: &[&'a Yaml]) -> Vec<&'a str> {
    manifests.iter().map(|manifest| name(manifest)).collect()
}

/// The numbers of a container's ports, by their names.
fn ports(workload: &Yaml) -> BTreeMap<&str, i64> {
    let ports = container(workload)["ports"].as_vec().into_iter().flatten();
    ports.map(|port| (text(&port["name"]), port["containerPort"].as_i64().unwrap())).collect()
}

#[test]
fn every_file_is_laid_together() {
    for folder in [FOLDER, "deploy/kubernetes/tls"] {
        let kustomization = documents(format!("{folder}/kustomization.yaml")).remove(0);
        let resources = kustomization["resources"].as_vec().into_iter().flatten().map(text);
        let patches = kustomization["patches"].as_vec().into_iter().flatten();
        let patches = patches.filter_map(|patch| patch["path"].as_str());
        let named: BTreeSet<_> = resources.chain(patches).map(str::to_owned).collect();

        let there = fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let there = there.filter(|path| path.is_file());
        let there = there.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        let there: BTreeSet<_> = there.filter(|file| file != "kustomization.yaml").collect();
        assert_eq!(named, there, "{folder}");
    }
}

#[test]
fn the_image_is_of_this_version() {
    let (kustomization, manifests) = (kustomization(), manifests());
    let images = list(&kustomization["images"]);

    assert_eq!(images.len(), 1);
    assert_eq!(text(&images[0]["newTag"]), env!("CARGO_PKG_VERSION"));
    for workload in workloads(&manifests) {
        let container = container(workload);
        assert_eq!(container["image"], images[0]["name"], "{}", name(workload));
        // By it, the component finds what it changes.
        assert_eq!(text(&container["name"]), "flightline", "{}", name(workload));
    }
}

#[test]
fn containers_run_what_the_command_line_takes() {
    let manifests = manifests();
    let mut run = Vec::new();
    for workload in workloads(&manifests) {
        let arguments: Vec<_> = list(&container(workload)["args"]).iter().map(text).collect();
        let taken = Cli::try_parse_from(["flightline"].into_iter().chain(arguments.clone()));
        assert!(taken.is_ok(), "{arguments:?}");
        assert_eq!(arguments.last(), Some(&name(workload)));
        run.push(name(workload));
    }
    assert_eq!(run, ["auth", "equipment", "maintenance", "telemetry", "gateway", "migrate"]);
}

#[test]
fn a_container_gets_the_secrets_that_it_needs() {
    let manifests = manifests();
    let mut secrets = BTreeMap::<_, Vec<_>>::new();
    for workload in workloads(&manifests) {
        let container = container(workload);
        for variable in list(&container["env"]) {
            let (variable, secret) =
                (text(&variable["name"]), &variable["valueFrom"]["secretKeyRef"]);
            assert_eq!(text(&secret["name"]), "flightline", "{variable}");
            assert_eq!(text(&secret["key"]), variable);
            secrets.entry(variable.to_owned()).or_default().push(name(workload));
        }
        for from in container["envFrom"].as_vec().into_iter().flatten() {
            assert_eq!(text(&from["configMapRef"]["name"]), "flightline");
        }
    }

    let services = ["auth", "equipment", "maintenance", "telemetry"];
    let expected = BTreeMap::from([
        ("DATABASE_URL".to_owned(), [&services[..], &["migrate"]].concat()),
        ("FLIGHTLINE_ADMIN_PASSWORD".to_owned(), vec!["auth"]),
        ("FLIGHTLINE_SERVICE_SECRET".to_owned(), [&services[..], &["gateway"]].concat()),
    ]);
    assert_eq!(secrets, expected);
    let settings = settings();
    assert!(expected.keys().all(|name| settings.contains_key(name)));
}

#[test]
fn settings_have_values_that_the_command_line_takes() {
    let (base, flags) = (documents(format!("{FOLDER}/settings.yaml")), settings());
    let tls = fs::read_to_string(top().join(FOLDER).join("tls/settings.yaml")).unwrap();
    // With what is there to be uncommented.
    let tls = YamlLoader::load_from_str(&tls.replace("  # FLIGHTLINE_", "  FLIGHTLINE_")).unwrap();
    assert_eq!(name(&base[0]), name(&tls[0]));

    for files in [&[&base[0]][..], &[&base[0], &tls[0]]] {
        let data: BTreeMap<_, _> = files.iter().flat_map(|file| entries(&file["data"])).collect();
        assert!(data.contains_key("RUST_LOG"));
        let ours = data.iter().filter(|(name, _)| **name != "RUST_LOG");
        let flags = ours.map(|(name, value)| {
            let flag = flags.get(*name).unwrap_or_else(|| panic!("{name} is no setting"));
            format!("--{flag}={}", text(value))
        });
        let arguments = ["flightline", "serve"].map(str::to_owned).into_iter().chain(flags);
        Cli::try_parse_from(arguments).map(drop).unwrap();
    }
}

#[test]
fn selectors_find_the_pods_that_they_mean() {
    let manifests = manifests();
    let parts = ["auth", "equipment", "maintenance", "telemetry", "gateway"];
    for deployment in of_kind("Deployment", &manifests) {
        let spread = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"];
        let selectors = list(spread).iter().map(|constraint| &constraint["labelSelector"]);
        for selector in selectors.chain([&deployment["spec"]["selector"]]) {
            assert_eq!(names(&selected(selector, &manifests)), [name(deployment)]);
        }
        // The autoscaler says how many.
        assert!(deployment["spec"]["replicas"].is_badvalue(), "{}", name(deployment));
    }
    for budget in of_kind("PodDisruptionBudget", &manifests) {
        let found = selected(&budget["spec"]["selector"], &manifests);
        assert_eq!(names(&found), [name(budget)]);
    }
    for service in of_kind("Service", &manifests) {
        let labels = entries(&service["spec"]["selector"]);
        assert_eq!(labels, [("app.kubernetes.io/component", &service["metadata"]["name"])]);
    }
    for scaler in of_kind("HorizontalPodAutoscaler", &manifests) {
        let target = &scaler["spec"]["scaleTargetRef"];
        assert_eq!(
            (text(&target["kind"]), &target["name"]),
            ("Deployment", &scaler["metadata"]["name"])
        );
    }
    for kind in ["Deployment", "PodDisruptionBudget", "Service", "HorizontalPodAutoscaler"] {
        assert_eq!(names(&of_kind(kind, &manifests)), parts, "{kind}");
    }
    // It is applied by this label before the rest.
    let job = of_kind("Job", &manifests)[0];
    assert_eq!(text(&job["metadata"]["labels"]["app.kubernetes.io/component"]), "migrate");
}

#[test]
fn ports_are_those_that_the_image_has() {
    let manifests = manifests();
    let image = fs::read_to_string(top().join("deploy/Dockerfile")).unwrap();
    assert!(image.contains("\nEXPOSE 8000 50051 9464\n"));
    assert!(image.contains("FLIGHTLINE_METRICS_LISTEN=0.0.0.0:9464\n"));
    let (http, grpc, metrics) = (("http", 8000), ("grpc", 50051), ("metrics", 9464));

    for deployment in of_kind("Deployment", &manifests) {
        let own = if name(deployment) == "gateway" { http } else { grpc };
        let (container, ports) = (container(deployment), ports(deployment));
        assert_eq!(ports, BTreeMap::from([own, metrics]), "{}", name(deployment));
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let probe = &container[probe];
            if let Some(port) = probe["grpc"]["port"].as_i64() {
                assert_eq!(Some(&port), ports.get("grpc"));
            } else {
                // One service that is away must take no gateway out: its REST port is not asked.
                assert_eq!(text(&probe["httpGet"]["port"]), "metrics");
                assert!(["/healthz", "/readyz"].contains(&text(&probe["httpGet"]["path"])));
            }
        }
    }
    for service in of_kind("Service", &manifests) {
        let (name, port) = (name(service), &list(&service["spec"]["ports"])[0]);
        let target = if name == "gateway" { http } else { grpc };
        assert_eq!(text(&port["targetPort"]), target.0, "{name}");
        if name != "gateway" {
            assert_eq!(port["port"].as_i64(), Some(target.1), "{name}");
            // Callers find every replica by its name.
            assert_eq!(text(&service["spec"]["clusterIP"]), "None", "{name}");
        }
    }
}

#[test]
fn policies_open_ports_that_there_are() {
    let manifests = manifests();
    let opened = of_kind("NetworkPolicy", &manifests).into_iter().map(|policy| {
        let found = selected(&policy["spec"]["podSelector"], &manifests);
        let deployments: Vec<_> =
            found.into_iter().filter(|it| it["kind"].as_str() == Some("Deployment")).collect();
        for rule in list(&policy["spec"]["ingress"]) {
            for port in list(&rule["ports"]) {
                let has = |it: &&Yaml| ports(it).contains_key(text(&port["port"]));
                assert!(deployments.iter().all(has), "{}", name(policy));
            }
        }
        (name(policy), names(&deployments))
    });
    let parts = vec!["auth", "equipment", "maintenance", "telemetry", "gateway"];
    let expected =
        [("gateway", vec!["gateway"]), ("services", parts[..4].to_vec()), ("metrics", parts)];
    assert_eq!(opened.collect::<Vec<_>>(), expected);
}

#[test]
fn prometheus_finds_the_pods() {
    let config = documents("deploy/prometheus-kubernetes.yml").remove(0);
    let job = &list(&config["scrape_configs"])[0];
    let found = &list(&job["kubernetes_sd_configs"])[0];

    assert_eq!(list(&found["namespaces"]["names"]), [kustomization()["namespace"].clone()]);
    let (label, value) = text(&found["selectors"][0]["label"]).split_once('=').unwrap();
    let manifests = manifests();
    for deployment in of_kind("Deployment", &manifests) {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels[label].as_str(), Some(value), "{}", name(deployment));
        let port = text(&job["relabel_configs"][0]["regex"]);
        assert!(ports(deployment).contains_key(port), "{}", name(deployment));
    }
}
