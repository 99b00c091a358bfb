# Where the state is: a bucket of its own, which scripts/deploy makes and names at init.
terraform {
  backend "gcs" {
    prefix = "lethe"
  }
}
