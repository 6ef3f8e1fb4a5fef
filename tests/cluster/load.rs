//! A thousand exports at once, and the memory that they take.

use crate::cluster::Cluster;
use crate::node::diagnosis;
use crate::pods::{Process, container};

impl Cluster {
    /// From their creation to their ZIPs. The container that takes more than its limit is killed by the kernel.
    pub(crate) async fn carries(&self, count: usize) {
        let names = self.exports_of("load", count).await;
        self.accepted(&names).await;
        self.report_memory(&format!("with {count} exports under way")).await;
        self.come_to_their_zips(&names).await;
        self.report_memory(&format!("after {count} exports")).await;
    }

    pub(crate) async fn report_memory(&self, when: &str) {
        let leader = self.running_leader().await;
        for pod in self.pods().await {
            assert_eq!(container(&pod).restart_count, 0, "{}", diagnosis());
            let role = if pod.metadata.uid == leader.metadata.uid { "leader" } else { "standby" };
            let process = Process::of(&pod);
            let (now, peak) = (process.status("VmRSS"), process.status("VmHWM"));
            println!("{when}: {role} {now} resident, {peak} at most; container at most {} MiB", process.peak_memory());
        }
    }
}
