# Cloud Armor, in front of the load balancer's backends: rules that Google keeps for known
# attacks, and limits by address.

locals {
  # Paths that take conditions, which look like SQL and are a language of our own.
  conditions = "^/(v1/reports/|v1/rectifications|api/|explore|funnel|retention|person)"

  armor = {
    # What people do in apps is free text and looks like anything: only what shows in
    # the request's line and headers is held against a rule.
    intake = {
      rate = var.intake_rate
      waf  = ["scannerdetection-v33-stable", "methodenforcement-v33-stable"]
    }
    api = {
      rate = var.api_rate
      waf = [
        "sqli-v33-stable", "xss-v33-stable", "lfi-v33-stable", "rfi-v33-stable", "rce-v33-stable",
        "protocolattack-v33-stable", "scannerdetection-v33-stable", "sessionfixation-v33-stable",
      ]
    }
  }
}

resource "google_compute_security_policy" "armor" {
  for_each = { for k, p in local.armor : k => p if var.network }

  name = "lethe-${each.key}"
  type = "CLOUD_ARMOR"

  # Otherwise the signs that JSON itself is made of are held against the rules.
  advanced_options_config {
    json_parsing = "STANDARD"
  }

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }

  dynamic "rule" {
    for_each = { for i, set in each.value.waf : 1000 + 10 * i => set }
    content {
      action      = "deny(403)"
      priority    = rule.key
      description = rule.value
      match {
        expr {
          expression = join(" && ", compact([
            rule.value == "sqli-v33-stable" ? "!request.path.matches('${local.conditions}')" : "",
            "evaluatePreconfiguredWaf('${rule.value}', {'sensitivity': 1})",
          ]))
        }
      }
    }
  }

  # The dashboard asks for everybody who has signed in there, from few addresses, and is itself
  # asked within the limit below: what says that it has a session may come ten times as often
  # from one address. To count each session for itself would count nothing: anybody can make
  # up names of sessions.
  dynamic "rule" {
    for_each = each.key == "api" ? ["Bearer lethe_session_"] : []
    content {
      action      = "throttle"
      priority    = 1900
      description = "limit by address, with a session"
      match {
        expr {
          expression = "has(request.headers['authorization']) && request.headers['authorization'].startsWith('${rule.value}')"
        }
      }
      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"
        enforce_on_key = "IP"
        rate_limit_threshold {
          count        = 10 * each.value.rate
          interval_sec = 60
        }
      }
    }
  }

  rule {
    action      = "throttle"
    priority    = 2000
    description = "limit by address"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = each.value.rate
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "all else"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.apis]
}
