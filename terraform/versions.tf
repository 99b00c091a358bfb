terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
}

# The APIs are asked in the name of the project, not of gcloud's own, in which a person's
# credentials may not use all of them: the one of budgets refuses them.
provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}
