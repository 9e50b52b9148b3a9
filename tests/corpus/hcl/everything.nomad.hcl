# A bit of everything that runs on a Nomad without anything beside it.

variable "image" {
  type = string
}

variable "count" {
  type    = number
  default = 3
}

variable "tags" {
  type    = list(string)
  default = []
}

job "everything" {
  type        = "service"
  datacenters = ["dc*"]
  node_pool   = "default"
  priority    = 60

  meta {
    team = "platform"
  }

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  constraint {
    operator = "distinct_hosts"
    value    = "true"
  }

  affinity {
    attribute = "${node.class}"
    value     = "fast"
    weight    = -50
  }

  spread {
    attribute = "${node.datacenter}"

    target "dc1" {
      percent = 70
    }

    target "dc2" {
      percent = 30
    }
  }

  update {
    max_parallel      = 2
    canary            = 1
    auto_revert       = true
    progress_deadline = "0s"
  }

  reschedule {
    unlimited      = false
    attempts       = 3
    interval       = "1h"
    delay          = "30s"
    delay_function = "fibonacci"
    max_delay      = "5m"
  }

  group "web" {
    count = var.count

    scaling {
      min = 1
      max = 10

      policy {
        cooldown = "1m"

        check "load" {
          query = "avg_cpu"

          strategy "target-value" {
            target = 70
          }
        }
      }
    }

    network {
      mode     = "bridge"
      hostname = "web"

      port "http" {
        to = 8080
      }

      port "admin" {
        static       = 9000
        host_network = "private"
      }

      dns {
        servers  = ["10.0.0.53"]
        searches = ["example.com"]
      }
    }

    volume "data" {
      type      = "host"
      source    = "data"
      read_only = true
    }

    ephemeral_disk {
      size   = 500
      sticky = true
    }

    restart {
      attempts         = 0
      mode             = "fail"
      render_templates = true
    }

    migrate {
      min_healthy_time = "3s"
    }

    service {
      name         = "web"
      provider     = "nomad"
      port         = "http"
      tags         = var.tags
      canary_tags  = ["canary"]
      address_mode = "host"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "2s"
        timeout  = "1500ms"

        header {
          Accept = ["text/plain"]
        }

        check_restart {
          limit = 3
          grace = "10s"
        }
      }

      check {
        type     = "tcp"
        port     = "admin"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "migrate" {
      driver = "exec"

      lifecycle {
        hook    = "prestart"
        sidecar = false
      }

      config {
        command  = "/bin/sh"
        args     = ["-c", "true"]
        cap_drop = ["all"]
      }

      artifact {
        source      = "https://example.com/schema.tar.gz"
        destination = "local/schema"

        options {
          checksum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        }
      }
    }

    task "app" {
      driver         = "docker"
      user           = "65534"
      leader         = true
      kill_signal    = "SIGTERM"
      kill_timeout   = "20s"
      shutdown_delay = "3s"

      config {
        image           = var.image
        ports           = ["http"]
        readonly_rootfs = true

        labels {
          team = "platform"
        }

        mount {
          type   = "tmpfs"
          target = "/tmp"

          tmpfs_options {
            size = 1000000
          }
        }

        ulimit {
          nofile = "2048:4096"
        }
      }

      env {
        PORT = "8080"
      }

      identity {
        env = true
      }

      logs {
        max_files     = 3
        max_file_size = 5
      }

      template {
        destination   = "secrets/app.env"
        env           = true
        change_mode   = "restart"
        data          = "KEY={{ with nomadVar \"nomad/jobs/everything\" }}{{ .key }}{{ end }}"
        wait {
          min = "5s"
          max = "30s"
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      resources {
        cores      = 1
        memory     = 64
        memory_max = 128

        device "nvidia/gpu" {
          count = 1

          constraint {
            attribute = "${device.attr.memory}"
            operator  = ">="
            value     = "2 GiB"
          }
        }
      }
    }

    task "proxy" {
      driver = "podman"

      lifecycle {
        hook    = "poststart"
        sidecar = true
      }

      config {
        image = "docker://haproxy"
        ports = ["admin"]
      }
    }
  }
}
