//! Equipment is another service's; this one knows it by id.

kit::id!(
    /// Names one piece of equipment in the register.
    EquipmentId
);
