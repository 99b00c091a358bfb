# The two databases of shared/topology and what the queries of shared/chunk need.
# The emulator answers a query without its index; production refuses it.

resource "google_firestore_database" "databases" {
  for_each = toset(["(default)", "edge"])

  name                              = each.key
  location_id                       = var.firestore_location
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
}

# chunk.ProjectDays
resource "google_firestore_index" "chunks_by_project_and_day" {
  database    = google_firestore_database.databases["(default)"].name
  collection  = "chunks"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "project"
    order      = "ASCENDING"
  }
  fields {
    field_path = "day"
    order      = "ASCENDING"
  }
  fields {
    field_path = "__name__"
    order      = "ASCENDING"
  }
}

# What is never asked for is not indexed: an index entry costs as much as a write,
# and values that only grow (received, first_seen) meet the limit of 500 writes a second.
resource "google_firestore_field" "exempt" {
  for_each = toset([
    "chunks/count", "chunks/data", "chunks/project", "chunks/received",
    "ops/data", "ops/received",
    "people/first_seen", "people/profile", "people/profile_at",
  ])

  database   = google_firestore_database.databases["(default)"].name
  collection = split("/", each.key)[0]
  field      = split("/", each.key)[1]

  index_config {}
}
