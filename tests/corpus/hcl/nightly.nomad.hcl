job "nightly" {
  type = "batch"

  periodic {
    crons            = ["15 4 * * mon-fri", "@weekly"]
    prohibit_overlap = true
    time_zone        = "Europe/Berlin"
  }

  group "report" {
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "report" {
      driver = "java"

      config {
        jar_path    = "local/report.jar"
        jvm_options = ["-Xmx256m"]
      }

      artifact {
        source = "https://example.com/report.jar"
        mode   = "file"
      }
    }
  }
}
