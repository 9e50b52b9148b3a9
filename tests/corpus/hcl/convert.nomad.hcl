job "convert" {
  type = "sysbatch"

  parameterized {
    payload       = "required"
    meta_required = ["format"]
    meta_optional = ["quality"]
  }

  group "convert" {
    task "convert" {
      driver = "raw_exec"

      config {
        command = "/usr/bin/convert"
        args    = ["local/input", "local/output"]
      }

      dispatch_payload {
        file = "input"
      }
    }

    task "machine" {
      driver = "qemu"

      config {
        image_path        = "local/disk.qcow2"
        accelerator       = "kvm"
        graceful_shutdown = true
      }
    }
  }
}
