import { Center, Loader } from "@mantine/core";
import { Route, Routes } from "react-router";
import { useSession } from "./api/queries";
import { Failure } from "./components/Failure";
import { Shell } from "./components/Shell";
import { AlertRulesPage } from "./pages/AlertRulesPage";
import { AlertsPage } from "./pages/AlertsPage";
import { AttendancePage } from "./pages/AttendancePage";
import { AuditPage } from "./pages/AuditPage";
import { CamerasPage } from "./pages/CamerasPage";
import { DetectionsPage } from "./pages/DetectionsPage";
import { DevicesPage } from "./pages/DevicesPage";
import { IdentityPage } from "./pages/IdentityPage";
import { LiveCameraPage } from "./pages/LiveCameraPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { PeoplePage } from "./pages/PeoplePage";
import { PersonPage } from "./pages/PersonPage";
import { RenewPage } from "./pages/RenewPage";
import { ReviewPage } from "./pages/ReviewPage";
import { SearchPage } from "./pages/SearchPage";
import { SettingsPage } from "./pages/SettingsPage";
import { SignInPage } from "./pages/SignInPage";
import { SystemPage } from "./pages/SystemPage";
import { TodayPage } from "./pages/TodayPage";
import { UsersPage } from "./pages/UsersPage";

/** Nobody signed in: the sign-in page, whatever the address, which stays as it is. */
export function App() {
  const session = useSession();

  if (session.isPending) {
    return (
      <Center mih="100dvh">
        <Loader role="progressbar" aria-label="Loading" />
      </Center>
    );
  }
  if (session.isError && session.data === undefined) {
    return (
      <Center mih="100dvh" p="md">
        <Failure error={session.error} retry={session.refetch} />
      </Center>
    );
  }
  if (!session.data) return <SignInPage />;
  if (session.data.user.must_renew) return <RenewPage user={session.data.user} />;

  return (
    <Routes>
      <Route element={<Shell user={session.data.user} />}>
        <Route index element={<TodayPage />} />
        <Route path="detections" element={<DetectionsPage />} />
        <Route path="people" element={<PeoplePage />} />
        <Route path="people/:id" element={<PersonPage />} />
        <Route path="review" element={<ReviewPage />} />
        <Route path="identity" element={<IdentityPage />} />
        <Route path="search" element={<SearchPage />} />
        <Route path="attendance" element={<AttendancePage />} />
        <Route path="alerts" element={<AlertsPage />} />
        <Route path="alerts/rules" element={<AlertRulesPage />} />
        <Route path="cameras" element={<CamerasPage />} />
        <Route path="live-camera" element={<LiveCameraPage />} />
        <Route path="devices" element={<DevicesPage />} />
        <Route path="settings" element={<SettingsPage />} />
        <Route path="system" element={<SystemPage />} />
        <Route path="users" element={<UsersPage />} />
        <Route path="audit" element={<AuditPage />} />
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  );
}
