import { NativeSelect, type NativeSelectProps } from "@mantine/core";
import { useCameras } from "../api/queries";

/** Narrows a list to one camera; "" is all of them. */
export function CameraFilter({
  onChange,
  ...properties
}: Omit<NativeSelectProps, "onChange" | "data"> & { onChange: (id: string) => void }) {
  const cameras = useCameras().data ?? [];
  return (
    <NativeSelect
      {...properties}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={[
        { value: "", label: "All cameras" },
        ...cameras.map(({ id, name }) => ({ value: id, label: name })),
      ]}
    />
  );
}
