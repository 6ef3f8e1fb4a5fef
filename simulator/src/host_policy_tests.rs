use http::HeaderValue;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn headers(lines: &[(HeaderName, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name.clone(), HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn on_loopback(lines: &[(HeaderName, &[u8])]) -> Result<(), Refused> {
    let policy = HostPolicy::new(LOOPBACK, Vec::new());
    policy.check(LOOPBACK, &Uri::from_static("/_simulator/faults"), &headers(lines))
}

#[test]
fn loopback_names_and_addresses_are_accepted_with_any_port() {
    for host in [
        "localhost",
        "LocalHost",
        "LOCALHOST:8474",
        "localhost:1",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.255.255.254:8474",
        "[::1]",
        "[::1]:8474",
        "[0:0:0:0:0:0:0:1]:8474",
        "[::ffff:127.0.0.1]:8474",
        "[::FFFF:7f00:1]",
    ] {
        assert_eq!(on_loopback(&[(HOST, host.as_bytes())]), Ok(()), "{host}");
    }
}

#[test]
fn every_other_host_is_refused() {
    for host in [
        "",
        " ",
        ":",
        ":8474",
        "evil.example",
        "evil.example:8474",
        "127.0.0.1.evil.example",
        "127.0.0.1.evil.example:8474",
        "localhost.evil.example",
        "evil.example.localhost",
        "exports.localhost:8475",
        "localhost.",
        "127.0.0.1.",
        ".localhost",
        "localhost..",
        "localhosts",
        "127.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "2130706433",
        "128.0.0.1",
        "10.0.0.1:8474",
        "0.0.0.0:8474",
        "::1",
        "::1:8474",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[::1]:x",
        "[::1%lo]:8474",
        "[::2]:8474",
        "[127.0.0.1]",
        "[localhost]",
        "[::ffff:10.0.0.1]",
        "localhost:",
        "localhost:x",
        "localhost:+1",
        "localhost:65536",
        "localhost:80:80",
        "user@localhost",
        "user:password@127.0.0.1:8474",
        "localhost:8474@evil.example",
        "localhost/evil.example",
        "localhost,evil.example",
        "localhost evil.example",
        "local%68ost",
        "http://localhost",
    ] {
        assert!(matches!(on_loopback(&[(HOST, host.as_bytes())]), Err(Refused::Host(_))), "{host:?}");
    }
}

#[test]
fn a_host_that_is_missing_or_repeated_or_not_text_is_refused() {
    assert_eq!(on_loopback(&[]), Err(Refused::Host("(none)".to_owned())));
    let same: &[u8] = b"localhost";
    assert_eq!(on_loopback(&[(HOST, same), (HOST, same)]), Err(Refused::Host("(more than one)".to_owned())));
    assert!(matches!(on_loopback(&[(HOST, "löcalhost".as_bytes())]), Err(Refused::Host(_))));
}

#[test]
fn a_target_that_names_another_host_is_refused() {
    let policy = HostPolicy::new(LOOPBACK, Vec::new());
    let check = |target: &'static str| {
        policy.check(LOOPBACK, &Uri::from_static(target), &headers(&[(HOST, b"localhost:8474")]))
    };
    assert_eq!(check("http://localhost:8474/_simulator/faults"), Ok(()));
    assert!(check("http://evil.example/_simulator/faults").is_err());
    assert!(check("http://localhost:8475/_simulator/faults").is_err());
}

#[test]
fn only_the_requests_own_origin_is_accepted() {
    let check = |host: &str, origin: &str| on_loopback(&[(HOST, host.as_bytes()), (ORIGIN, origin.as_bytes())]);
    for (host, origin) in [
        ("localhost:8474", "http://localhost:8474"),
        ("LOCALHOST:8474", "http://localhost:8474"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("[::1]:8474", "http://[::1]:8474"),
    ] {
        assert_eq!(check(host, origin), Ok(()), "{origin}");
    }
    for origin in [
        "",
        "null",
        "https://evil.example",
        "http://evil.example:8474",
        "https://localhost:8474",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8474",
        "http://localhost:8474/",
        "http://localhost:8474.evil.example",
        "http://user@localhost:8474",
        "localhost:8474",
        "file://",
        "http://localhost:8474 http://evil.example",
    ] {
        assert!(matches!(check("localhost:8474", origin), Err(Refused::Origin(_))), "{origin:?}");
    }
    let own: &[u8] = b"http://localhost";
    let repeated = on_loopback(&[(HOST, b"localhost"), (ORIGIN, own), (ORIGIN, own)]);
    assert!(matches!(repeated, Err(Refused::Origin(_))));
}

#[test]
fn a_remote_listener_is_also_reached_by_its_addresses_and_by_what_is_allowed() {
    let allowed = ["simulator.testing", "10.96.0.5", "[fd00::1]"];
    let allowed = allowed.map(|name| name.parse::<HostName>().unwrap()).to_vec();
    let policy = HostPolicy::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), allowed);
    let local: IpAddr = "::ffff:10.77.0.1".parse().unwrap();
    let check = |host: &str| policy.check(local, &Uri::from_static("/"), &headers(&[(HOST, host.as_bytes())])).is_ok();
    for host in ["localhost", "0.0.0.0:8474", "10.77.0.1:8474", "Simulator.Testing:1", "10.96.0.5", "[fd00::1]:2"] {
        assert!(check(host), "{host}");
    }
    for host in ["10.77.0.2", "simulator", "simulator.testing.evil.example", "10.96.0.5.evil.example", "[fd00::2]"] {
        assert!(!check(host), "{host}");
    }
}

#[test]
fn a_refusal_says_what_was_refused_and_what_is_accepted() {
    let refused = on_loopback(&[(HOST, b"evil.example")]).unwrap_err().to_string();
    assert!(refused.contains("\"evil.example\"") && refused.contains("localhost"), "{refused}");
    assert!(refused.contains("--allow-host"), "{refused}");
    let refused = on_loopback(&[(HOST, b"localhost"), (ORIGIN, b"null")]).unwrap_err().to_string();
    assert!(refused.contains("\"null\"") && refused.contains("without Origin"), "{refused}");
    let long = "x".repeat(5000);
    let refused = on_loopback(&[(HOST, long.as_bytes())]).unwrap_err().to_string();
    assert!(refused.len() < 400, "{refused}");
}

#[test]
fn what_no_host_can_be_is_no_allowed_host() {
    for text in ["", "simulator:8474", "http://simulator", "a b", "[::1", "a..b", "*"] {
        assert_eq!(text.parse::<HostName>(), Err(InvalidHost(text.to_owned())));
    }
}
