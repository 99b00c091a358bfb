# The secrets that operators put in by hand, so that none is in Terraform's state. A
# function that has none yet does not start: README.md says what goes in first.
resource "google_secret_manager_secret" "secrets" {
  for_each = {
    opendsr-key    = "RSA key that signs OpenDSR's answers, PEM, PKCS #8"
    opendsr-cert   = "its X.509 certificate, PEM"
    access-log-key = "key that signs checkpoints of the access log"
    smtp-password  = "password of the SMTP server"
    staff-client   = "secret of the OAuth client by which staff sign in; - where they do not"
  }

  secret_id   = "lethe-${each.key}"
  annotations = { holds = each.value }
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.apis]
}
