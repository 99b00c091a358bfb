# What the queries of the code need in the databases. The emulator answers a query without
# its index, production refuses it: scripts/indexes holds the two together.

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

# request.List, of a kind, with and without a status
resource "google_firestore_index" "requests_by_kind" {
  for_each = toset(["kind", "kind,status"])

  database   = google_firestore_database.databases["(default)"].name
  collection = "requests"

  dynamic "fields" {
    for_each = split(",", each.key)
    content {
      field_path = fields.value
      order      = "ASCENDING"
    }
  }
  fields {
    field_path = "created"
    order      = "DESCENDING"
  }
  fields {
    field_path = "__name__"
    order      = "DESCENDING"
  }
}

# the oldest unfinished request of all projects: retention's watch
resource "google_firestore_index" "requests_unfinished" {
  database    = google_firestore_database.databases["(default)"].name
  collection  = "requests"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "status"
    order      = "ASCENDING"
  }
  fields {
    field_path = "created"
    order      = "ASCENDING"
  }
}

# request.Of
resource "google_firestore_index" "parts_by_person" {
  database    = google_firestore_database.databases["(default)"].name
  collection  = "parts"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "project"
    order      = "ASCENDING"
  }
  fields {
    field_path   = "keys"
    array_config = "CONTAINS"
  }
}

resource "google_firestore_index" "incidents_by_project" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "incidents"

  fields {
    field_path   = "projects"
    array_config = "CONTAINS"
  }
  fields {
    field_path = "opened"
    order      = "DESCENDING"
  }
}

# staff.Live, and the lists of grants
resource "google_firestore_index" "grants_live" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "grants"

  dynamic "fields" {
    for_each = ["project", "member", "status"]
    content {
      field_path = fields.value
      order      = "ASCENDING"
    }
  }
  fields {
    field_path = "expires"
    order      = "DESCENDING"
  }
}

resource "google_firestore_index" "grants_newest" {
  for_each = toset(["project", "member", "status"])

  database   = google_firestore_database.databases["(default)"].name
  collection = "grants"

  fields {
    field_path = each.key
    order      = "ASCENDING"
  }
  fields {
    field_path = "created"
    order      = "DESCENDING"
  }
}

# What is due again is looked for over all projects: deliveries of webhooks, notices of
# incidents.
resource "google_firestore_field" "due" {
  for_each = toset(["deliveries/next", "notices/due"])

  database   = google_firestore_database.databases["(default)"].name
  collection = split("/", each.key)[0]
  field      = split("/", each.key)[1]

  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}

# Deliveries are kept for 30 days.
resource "google_firestore_field" "deliveries_expire" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "deliveries"
  field      = "expires"

  ttl_config {}
  index_config {}
}

# Sessions go after their end; the guard refuses them before.
resource "google_firestore_field" "sessions_expire" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "keys"
  field      = "session_expires"

  ttl_config {}
  index_config {}
}

# Revoked SDK tokens are kept for 30 days; ingest refuses what has expired before it is
# gone.
resource "google_firestore_field" "tokens_expire" {
  for_each = { "(default)" = "gone", "edge" = "expires" }

  database   = google_firestore_database.databases[each.key].name
  collection = "tokens"
  field      = each.value

  ttl_config {}
  index_config {}
}

# access.List, newest first by each of its filters, which Firestore can merge
resource "google_firestore_index" "access" {
  for_each = toset(["actor", "action", "persons"])

  database   = google_firestore_database.databases["(default)"].name
  collection = "access"

  fields {
    field_path   = each.key
    order        = each.key == "persons" ? null : "ASCENDING"
    array_config = each.key == "persons" ? "CONTAINS" : null
  }
  fields {
    field_path = "id"
    order      = "DESCENDING"
  }
  fields {
    field_path = "__name__"
    order      = "DESCENDING"
  }
}

# access.Sealer: what is not sealed yet, of one project and of all
resource "google_firestore_field" "access_sealed" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "access"
  field      = "sealed"

  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION"
    }
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}

# access.Sealer: the projects whose sealing was cut off
resource "google_firestore_field" "sealing_oldest" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "sealing"
  field      = "oldest"

  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}

# Retention's queries need no more: chunks by project and day, its runs by day, the
# persons on hold by hold.since, and the identities with operations by operates are
# indexed as they are.

# What is never asked for is not indexed: an index entry costs as much as a write,
# and values that only grow (received, first_seen) meet the limit of 500 writes a second.
# people/link.to stays indexed: reports ask for all who have one, and whoever lists a
# person's identities for those of one.
resource "google_firestore_field" "exempt" {
  for_each = toset([
    "chunks/count", "chunks/data", "chunks/project", "chunks/received", "chunks/oldest",
    "ops/data", "ops/received",
    "people/first_seen", "people/profile", "people/profile_at", "people/amendments", "people/said", "people/attested",
    "people/identified", "people/spoke", "people/stale", "people/height", "people/no_effect", "people/no_room", "people/pending",
    "people/link.by", "people/link.actor", "people/link.event", "people/link.received", "people/link.message", "people/link.index",
    "requests/extra", "requests/find", "requests/find_cursor", "requests/params", "requests/position", "requests/private", "requests/reason", "requests/result",
    "parts/ids", "parts/keys", "parts/project", "hints/matched",
    "people/hold.reason", "people/hold.actor",
    "retention_runs/check", "retention_runs/cursor", "retention_runs/group", "retention_runs/marks", "retention_runs/counts",
    "webhooks/secret", "webhooks/old_secret", "deliveries/body", "deliveries/last", "deliveries/finished",
    "incidents/description", "incidents/consequences", "incidents/measures", "incidents/updates", "notices/lease",
    "access/leaf", "access/index", "sealing/pending",
    "told/callbacks", "told/until", "parts/subjects", "receipts/text",
  ])

  database   = google_firestore_database.databases["(default)"].name
  collection = split("/", each.key)[0]
  field      = split("/", each.key)[1]

  index_config {}
}
