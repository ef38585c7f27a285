"""Stand-ins for Pulumi's provider plugins: they speak its protocol and talk to the embedded Azure only."""
