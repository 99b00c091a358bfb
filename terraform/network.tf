# The only way in, where var.network says so: a load balancer that routes by path to the
# functions, with Cloud Armor in front of each.
#
#   https://DOMAIN ─▶ certificate ─▶ URL map ─ path ─▶ backend ─▶ serverless NEG ─▶ function
#                                                      └─ Cloud Armor: intake or api
#   http://DOMAIN  ─▶ redirect

locals {
  routed = { for k, f in local.routes : k => f if var.network }
  # Paths by function, as the modules have them: known before anything is made.
  routes = { for k, f in local.functions : k => f.paths if length(f.paths) > 0 }
}

resource "google_compute_global_address" "address" {
  count = var.network ? 1 : 0

  name       = "lethe"
  depends_on = [google_project_service.apis]
}

# A certificate's name goes with its domain, because it can't be changed.
resource "google_compute_managed_ssl_certificate" "certificate" {
  count = var.network ? 1 : 0

  name = "lethe-${substr(sha256(var.domain), 0, 8)}"
  managed {
    domains = [var.domain]
  }
  lifecycle {
    create_before_destroy = true
  }
  depends_on = [google_project_service.apis]
}

resource "google_compute_ssl_policy" "tls" {
  count = var.network ? 1 : 0

  name            = "lethe"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
  depends_on      = [google_project_service.apis]
}

resource "google_compute_region_network_endpoint_group" "functions" {
  for_each = local.routed

  name                  = each.key
  region                = var.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = local.functions[each.key].name
  }
}

resource "google_compute_backend_service" "functions" {
  for_each = local.routed

  name                  = each.key
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.armor[each.key == "ingest" ? "intake" : "api"].id
  # shared/consent, RegionHeader: what a client itself says there is replaced
  custom_request_headers = ["X-Client-Region:{client_region}"]
  # a browser that has been here once asks without TLS no more (RFC 6797)
  custom_response_headers = ["Strict-Transport-Security:max-age=31536000"]
  backend {
    group = google_compute_region_network_endpoint_group.functions[each.key].id
  }
  log_config {
    enable = false # addresses and URLs of persons; functions log their own, without
  }
}

resource "google_compute_url_map" "https" {
  count = var.network ? 1 : 0

  name            = "lethe"
  default_service = google_compute_backend_service.functions["dashboard"].id
  host_rule {
    hosts        = [var.domain]
    path_matcher = "functions"
  }
  path_matcher {
    name            = "functions"
    default_service = google_compute_backend_service.functions["dashboard"].id # as its path /* says, too
    dynamic "path_rule" {
      for_each = local.routes
      content {
        paths   = path_rule.value
        service = google_compute_backend_service.functions[path_rule.key].id
      }
    }
  }
}

resource "google_compute_url_map" "redirect" {
  count = var.network ? 1 : 0

  name = "lethe-redirect"
  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
  depends_on = [google_project_service.apis]
}

resource "google_compute_target_https_proxy" "https" {
  count = var.network ? 1 : 0

  name             = "lethe"
  url_map          = google_compute_url_map.https[0].id
  ssl_certificates = [google_compute_managed_ssl_certificate.certificate[0].id]
  ssl_policy       = google_compute_ssl_policy.tls[0].id
}

resource "google_compute_target_http_proxy" "redirect" {
  count = var.network ? 1 : 0

  name    = "lethe-redirect"
  url_map = google_compute_url_map.redirect[0].id
}

resource "google_compute_global_forwarding_rule" "https" {
  count = var.network ? 1 : 0

  name                  = "lethe"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.address[0].id
  port_range            = "443"
  target                = google_compute_target_https_proxy.https[0].id
}

resource "google_compute_global_forwarding_rule" "redirect" {
  count = var.network ? 1 : 0

  name                  = "lethe-redirect"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.address[0].id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect[0].id
}
